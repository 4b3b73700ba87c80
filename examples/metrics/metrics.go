// Package metrics shows how the requests of package drive become metrics of Prometheus
// and of OpenTelemetry. Copy the function that you need.
package metrics

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/seed3a054f9c/googlesignin/drive"
)

// Prometheus returns a [drive.Config.Observe] that counts requests and quota units in
// registry. One is enough for the folders of all users.
func Prometheus(registry prometheus.Registerer) func(drive.Request) {
	requests := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "drive_request_seconds", Help: "Time to the head of Drive's answers.",
	}, []string{"op", "status", "retry"})
	units := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "drive_quota_units_total", Help: "Quota units by Google's table.",
	}, []string{"op"})
	registry.MustRegister(requests, units)
	return func(r drive.Request) {
		requests.WithLabelValues(r.Op, strconv.Itoa(r.Status), strconv.FormatBool(r.Attempt > 1)).Observe(r.Duration.Seconds())
		units.WithLabelValues(r.Op).Add(float64(r.Units))
	}
}

// OpenTelemetry is [Prometheus] for a meter.
func OpenTelemetry(meter metric.Meter) (func(drive.Request), error) {
	requests, err := meter.Float64Histogram("drive.request.duration", metric.WithUnit("s"))
	if err != nil {
		return nil, err
	}
	units, err := meter.Int64Counter("drive.quota.units")
	if err != nil {
		return nil, err
	}
	return func(r drive.Request) {
		op := attribute.String("op", r.Op)
		ctx := context.Background()
		requests.Record(ctx, r.Duration.Round(time.Microsecond).Seconds(), metric.WithAttributes(op,
			attribute.Int("http.response.status_code", r.Status), attribute.Bool("retry", r.Attempt > 1)))
		units.Add(ctx, int64(r.Units), metric.WithAttributes(op))
	}, nil
}
