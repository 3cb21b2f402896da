package web

import (
	"context"
	_ "embed"
	"html/template"
	"strings"
	"time"

	"github.com/flink-go/flink-go/core"
	pb "github.com/flink-go/flink-go/rpc/proto"
	"github.com/flink-go/flink-go/scheduler"
)

//go:embed index.html
var indexPage string

//go:embed style.css
var styleSheet string

// page is a document that is no JSON.
type page struct{ kind, text string }

func (s *Server) style(context.Context, *query) (any, error) {
	return page{"text/css; charset=UTF-8", styleSheet}, nil
}

// index is a page for people without a dashboard: what runs, and where its JSON is. html/template escapes all names
// (SEC-19).
func (s *Server) index(ctx context.Context, _ *query) (any, error) {
	o, err := s.cfg.Dispatcher.RequestClusterOverview(ctx, &pb.RequestClusterOverviewRequest{})
	if err != nil {
		return nil, err
	}
	jobs, err := s.summaries(ctx)
	if err != nil {
		return nil, err
	}
	t, err := template.New("index").Funcs(template.FuncMap{
		"when":  func(ms int64) string { return time.UnixMilli(ms).Format(time.DateTime) },
		"tasks": func(j scheduler.JobSummary) int { return j.Tasks[core.ExecutionRunning] },
	}).Parse(indexPage)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	err = t.Execute(&b, struct {
		Version  string
		Overview *pb.RequestClusterOverviewResponse
		Jobs     []scheduler.JobSummary
	}{s.version(), o, jobs})
	return page{"text/html; charset=UTF-8", b.String()}, err
}
