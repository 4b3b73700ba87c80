package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// operations are the pages for the people who run the program: whether it lives, whether
// it can sign users in, until ctx ends, and its metrics.
func (a *app) operations(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.ready(ctx, r.Context()); err != nil {
			a.log.WarnContext(r.Context(), "not ready", "error", err)
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	return mux
}

// ready returns why users cannot be signed in: the program ends, the database does not
// work, or there are no keys to check ID tokens with.
func (a *app) ready(running, ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return errors.Join(running.Err(), a.store.Check(ctx), a.verifier.Prefetch(ctx))
}

// watch creates the metrics of the site, and the tracer of its spans.
func (a *app) watch(traces trace.TracerProvider) {
	a.tracer = traces.Tracer("server")
	a.registry = prometheus.NewRegistry()
	a.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_seconds", Help: "Time to answer a request.",
	}, []string{"route", "status"})
	a.registry.MustRegister(a.requests, collectors.NewGoCollector())
}

// watchGrants exports the counters of the Manager.
func (a *app) watchGrants() {
	count := func(name, help string, value func(tokenstore.Stats) uint64) {
		a.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(value(a.grants.Stats())) }))
	}
	count("grants_sign_ins_total", "Sign-ins that were kept.", func(s tokenstore.Stats) uint64 { return s.SignIns })
	count("grants_refreshed_total", "Access tokens got from Google.", func(s tokenstore.Stats) uint64 { return s.Refreshed })
	count("grants_refused_total", "Users who have to consent again.", func(s tokenstore.Stats) uint64 { return s.Refused })
	count("grants_failed_total", "Refreshes that have failed for now.", func(s tokenstore.Stats) uint64 { return s.Failed })
	a.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "grants_unsaved", Help: "Users whose newest grant is in memory only. It should be 0.",
	}, func() float64 { return float64(a.grants.Stats().Unsaved) }))
}

// openTraces returns a provider of tracers, and a function that writes the last spans. A
// program in production has an exporter for its collector in place of standard output.
func openTraces(to string) (trace.TracerProvider, func(), error) {
	switch to {
	case "none":
		return noop.NewTracerProvider(), func() {}, nil
	case "stdout":
		exporter, err := stdouttrace.New(stdouttrace.WithWriter(os.Stdout))
		if err != nil {
			return nil, nil, err
		}
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
		return provider, func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			provider.Shutdown(ctx)
		}, nil
	}
	return nil, nil, fmt.Errorf("-traces is %q, want none or stdout", to)
}

// traced returns a client whose requests are spans of the request that they are made
// for. A span has the host and no path: the address of an upload's session, and the
// query of others, are secret. What each request to Drive is and costs, the metrics of
// drive.Config.Observe say.
func (a *app) traced(client *http.Client) *http.Client {
	traced := http.Client{}
	if client != nil {
		traced = *client
	}
	next := traced.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	traced.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		ctx, span := a.tracer.Start(r.Context(), r.Method+" "+r.URL.Hostname(), trace.WithSpanKind(trace.SpanKindClient))
		defer span.End()
		response, err := next.RoundTrip(r.WithContext(ctx))
		if err != nil {
			span.SetStatus(codes.Error, "no response")
			return nil, err
		}
		span.SetAttributes(attribute.Int("http.response.status_code", response.StatusCode))
		return response, nil
	})
	return &traced
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// observed makes a span, a metric and a log record of each request. They name the route,
// and not the address: a callback has a code in its query.
func (a *app) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := a.tracer.Start(r.Context(), "request", trace.WithSpanKind(trace.SpanKindServer))
		r = r.WithContext(ctx)
		seen, began := &statusWriter{ResponseWriter: w, status: http.StatusOK}, time.Now()
		defer func() {
			took, route := time.Since(began), cmp.Or(r.Pattern, "none")
			span.SetName(route)
			span.SetAttributes(attribute.Int("http.response.status_code", seen.status))
			span.End()
			a.requests.WithLabelValues(route, strconv.Itoa(seen.status)).Observe(took.Seconds())
			a.log.LogAttrs(ctx, slog.LevelInfo, "request", slog.String("route", route), slog.Int("status", seen.status), slog.Duration("took", took))
		}()
		next.ServeHTTP(seen, r)
	})
}

// A statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
