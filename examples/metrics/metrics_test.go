package metrics_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/drive/drivetest"
	"github.com/seed3a054f9c/googlesignin/examples/metrics"
)

// create stores a first document: two lists of 100 units, new IDs, and a create of 50.
func create(t *testing.T, observe func(drive.Request)) {
	t.Helper()
	srv := drivetest.NewServer(drivetest.Options{})
	defer srv.Close()
	folder, err := drive.New(drive.Config{HTTPClient: srv.Client(), Endpoint: srv.URL, Observe: observe})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Put(t.Context(), "settings.json", strings.NewReader("{}"), drive.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestPrometheus(t *testing.T) {
	registry := prometheus.NewRegistry()
	create(t, metrics.Prometheus(registry))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var requests uint64
	var units float64
	for _, family := range families {
		for _, m := range family.GetMetric() {
			requests += m.GetHistogram().GetSampleCount()
			units += m.GetCounter().GetValue()
		}
	}
	if requests != 4 || units != 250 {
		t.Errorf("%d requests of %v units, want 4 of 250", requests, units)
	}
}

func TestOpenTelemetry(t *testing.T) {
	reader := sdk.NewManualReader()
	observe, err := metrics.OpenTelemetry(sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("drive"))
	if err != nil {
		t.Fatal(err)
	}
	create(t, observe)
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	var requests uint64
	var units int64
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					requests += point.Count
				}
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					units += point.Value
				}
			}
		}
	}
	if requests != 4 || units != 250 {
		t.Errorf("%d requests of %d units, want 4 of 250", requests, units)
	}
}
