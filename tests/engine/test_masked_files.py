"""The files of a run: masked, and readable by their owner alone."""

from seatrial.engine.masked_files import PIECE, mask_file, protect
from seatrial.engine.masking import Masks

SECRET = "correct-horse-battery"


def masks():
    made = Masks()
    made.add(SECRET)
    return made


def test_every_file_below_a_folder_is_masked_and_private(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    text, data, plain = tmp_path / "a" / "log.txt", tmp_path / "a" / "b" / "core", tmp_path / "plain.sh"
    text.write_text(f"token {SECRET}\nhttp://u:pw@host/\n")
    data.write_bytes(b"\0\xff" + SECRET.encode() + b"\xfe")
    plain.write_text("nothing\n")
    plain.chmod(0o755)
    assert protect(tmp_path, masks()) == []
    assert text.read_text() == "token ***\nhttp://***@host/\n"
    assert data.read_bytes() == b"\0\xff***\xfe"
    assert [file.stat().st_mode & 0o777 for file in (text, data, plain)] == [0o600, 0o600, 0o700]


def test_links_and_spared_folders_are_left_alone(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text(SECRET)
    outside.chmod(0o644)
    run = tmp_path / "run"
    (run / "deployment").mkdir(parents=True)
    (run / "deployment" / "state.json").write_text(SECRET)
    (run / "link").symlink_to(outside)
    assert protect(run, masks(), [run / "deployment"]) == []
    assert outside.read_text() == (run / "deployment" / "state.json").read_text() == SECRET
    assert outside.stat().st_mode & 0o777 == 0o644


def test_a_secret_at_the_border_of_two_pieces_is_masked(tmp_path):
    file = tmp_path / "large.log"
    file.write_bytes((b"y" * 1023 + b"\n") * (PIECE // 1024 - 1) + b"z" * 1014 + SECRET.encode() + b"\nend\n")
    mask_file(file, masks())
    assert file.read_bytes().endswith(b"z***\nend\n")
