package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/flink-go/flink-go/conf"
)

// livePath alone is open to everybody: it says that the process answers, and nothing else.
const livePath = "/livez"

// guard is the one middleware before the router (SEC-03): no request reaches a handler past it.
func (s *Server) guard(next http.Handler) http.Handler {
	g := &guard{
		server: s,
		next:   next,
		token:  sha256.Sum256([]byte(s.cfg.Token)),
		auth:   conf.RestAuthType.Get(s.cfg.Conf) == "token",
		origin: conf.WebAccessControlAllowOrigin.Get(s.cfg.Conf),
		cross:  http.NewCrossOriginProtection(),
		limit:  int64(conf.RestServerMaxContentLength.Get(s.cfg.Conf)),
	}
	g.hosts = append(g.hosts, "localhost", conf.RestAddress.Get(s.cfg.Conf), conf.RestBindAddress.Get(s.cfg.Conf))
	g.hosts = append(g.hosts, conf.RestAllowedHosts.Get(s.cfg.Conf)...)
	if name, err := os.Hostname(); err == nil {
		g.hosts = append(g.hosts, name)
	}
	if g.origin != "" && g.origin != "*" {
		// An origin that cannot be trusted is no origin: leave the protection as it is and say so.
		if err := g.cross.AddTrustedOrigin(g.origin); err != nil {
			s.log.Warn("origin is not trusted for requests that change something", "key", conf.WebAccessControlAllowOrigin.Key, "error", err)
		}
	}
	return g
}

type guard struct {
	server *Server
	next   http.Handler
	hosts  []string // names under which the server may be called
	token  [sha256.Size]byte
	auth   bool
	origin string // for Access-Control-Allow-Origin
	cross  *http.CrossOriginProtection
	limit  int64 // of any body
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer g.recover(w, r)
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if g.origin != "" {
		h.Set("Access-Control-Allow-Origin", g.origin)
	}
	if r.URL.Path == livePath && r.Method == http.MethodGet {
		writeJSON(w, http.StatusOK, struct{}{})
		return
	}
	if err := g.check(w, r); err != nil {
		writeError(w, r, err)
		return
	}
	body := http.MaxBytesReader(w, r.Body, g.limit)
	r.Body = &pacedBody{ReadCloser: body, control: http.NewResponseController(w)}
	g.next.ServeHTTP(w, r)
}

// recover answers for a handler that panics, with the stack in the log alone.
func (g *guard) recover(w http.ResponseWriter, r *http.Request) {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		panic(v) // net/http's way to break a connection
	default:
		g.server.log.Error("REST handler panicked", "path", show(r.URL.Path), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		writeError(w, r, status(http.StatusInternalServerError, "the handler of this path failed, see the log of the JobManager"))
	}
}

func (g *guard) check(w http.ResponseWriter, r *http.Request) error {
	if !g.knownHost(r.Host) {
		return status(http.StatusForbidden, "this server is not known as %q: add the name to %s", show(r.Host), conf.RestAllowedHosts.Key)
	}
	if err := g.cross.Check(r); err != nil {
		return status(http.StatusForbidden, "a page of another site may not change anything here: %v", err)
	}
	if g.auth && !g.authorized(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="flink-go"`)
		return status(http.StatusUnauthorized, "a token is needed: Authorization: Bearer ...")
	}
	if r.ContentLength > g.limit {
		return status(http.StatusRequestEntityTooLarge, "the request has %d bytes, the limit is %d (%s)", r.ContentLength, g.limit, conf.RestServerMaxContentLength.Key)
	}
	return nil
}

// knownHost guards against DNS rebinding (SEC-06): a page that makes its own name point here is refused, because
// its browser sends that name. An address cannot be made to point elsewhere.
func (g *guard) knownHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if name == "" {
		return false
	}
	if net.ParseIP(name) != nil {
		return true
	}
	return slices.ContainsFunc(g.hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

func (g *guard) authorized(r *http.Request) bool {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	// Hashes have one length, so that the comparison tells nothing about the token's.
	given := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(given[:], g.token[:]) == 1
}

// sameSite refuses a GET with an effect that a browser sends for another page.
func sameSite(r *http.Request) error {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return nil
	}
	return status(http.StatusForbidden, "a page of another site may not change anything here")
}
