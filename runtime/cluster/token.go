package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/flink-go/flink-go/conf"
	"github.com/flink-go/flink-go/core"
)

// restToken returns the token that REST wants from clients, "" if it wants none. A token file that is not there yet
// is made (SEC-02).
func restToken(c *conf.Config, dir *workDir, log *slog.Logger) (string, error) {
	if conf.RestAuthType.Get(c) != "token" {
		return "", nil
	}
	path := conf.RestAuthTokenFile.Get(c)
	if path == "" {
		path = filepath.Join(dir.path, tokenFile)
	}
	token, err := readToken(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	token = rand.Text() + rand.Text() // 260 bits
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return "", core.E("write REST token", core.Invalid, "", err)
	}
	log.Info("REST wants a token", "file", path)
	return token, nil
}

// tokenFile is where a JobManager keeps its token unless it is told where.
const tokenFile = "rest.token"

// ClientToken is the token that a client of this machine shows to a JobManager: from the file that is configured, or
// of the cluster that was started here. It is "" where none is wanted.
func ClientToken(c *conf.Config) (string, error) {
	path := conf.RestAuthTokenFile.Get(c)
	if path == "" {
		l, err := FindLocal(c)
		if err != nil || l.WorkDir == "" {
			return "", nil //nolint:nilerr // without a cluster here there is no token to show
		}
		found, _ := filepath.Glob(filepath.Join(l.WorkDir, "jm_*", tokenFile)) // the pattern is well formed
		if len(found) == 0 {
			return "", nil
		}
		path = found[0]
	}
	return readToken(path)
}

// readToken reads a token file, which must belong to its reader alone.
func readToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", core.E("read REST token", core.Invalid, "", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", core.E("read REST token", core.PermissionDenied, "", fmt.Errorf("%s may be read by others (mode %#o): want 0600", path, info.Mode().Perm()))
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", core.E("read REST token", core.Invalid, "", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", core.E("read REST token", core.Invalid, "", fmt.Errorf("%s is empty", path))
	}
	return token, nil
}
