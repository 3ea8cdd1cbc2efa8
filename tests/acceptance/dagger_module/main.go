// Checks of a repository, as a team keeps them in a Dagger module.
package main

import (
	"context"
	"fmt"
	"strings"

	"dagger/checks/internal/dagger"
)

type Checks struct{}

// The number of files with this ending, as text.
func (m *Checks) Count(ctx context.Context, source *dagger.Directory, ending string) (string, error) {
	files, err := source.Glob(ctx, "**/*"+ending)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d files", len(files)), nil
}

// A folder with one page that names the sources.
func (m *Checks) BuildSite(ctx context.Context, source *dagger.Directory,
	// +default="Site"
	title string) (*dagger.Directory, error) {
	files, err := source.Entries(ctx)
	if err != nil {
		return nil, err
	}
	return dag.Directory().WithNewFile("index.html", title+": "+strings.Join(files, " ")+"\n"), nil
}

// Fails if a text has the word.
func (m *Checks) Forbid(ctx context.Context, text *dagger.File, word string) error {
	content, err := text.Contents(ctx)
	if err != nil {
		return err
	}
	name, err := text.Name(ctx)
	if err != nil {
		return err
	}
	for at, line := range strings.Split(content, "\n") {
		if strings.Contains(line, word) {
			return fmt.Errorf("%s:%d: the word %q is not allowed", name, at+1, word)
		}
	}
	return nil
}

// A web server with one page, in an image from an archive.
func (m *Checks) Page(image *dagger.File, text string) *dagger.Service {
	return dag.Container().Import(image).
		WithNewFile("/www/index.html", text+"\n").
		WithExposedPort(8080).
		AsService(dagger.ContainerAsServiceOpts{Args: []string{"httpd", "-f", "-p", "8080", "-h", "/www"}})
}

// Fails with the secret in its message, as careless programs do.
func (m *Checks) Leak(ctx context.Context, secret *dagger.Secret) error {
	text, err := secret.Plaintext(ctx)
	if err != nil {
		return err
	}
	return fmt.Errorf("no access with %s", text)
}
