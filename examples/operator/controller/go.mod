module example.org/noticeboard

go 1.21
