package drive_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/seed3a054f9c/googlesignin/drive"
)

// An empty value removes a property, also where nothing else is changed.
func TestRemoveProperties(t *testing.T) {
	changes := map[string]func(*drive.AppFolder, map[string]string) (*drive.File, error){
		"SetProperties": func(f *drive.AppFolder, p map[string]string) (*drive.File, error) {
			return f.SetProperties(t.Context(), "a", p)
		},
		"Put": func(f *drive.AppFolder, p map[string]string) (*drive.File, error) {
			return f.Put(t.Context(), "a", strings.NewReader("y"), drive.PutOptions{Properties: p})
		},
		"large Put": func(f *drive.AppFolder, p map[string]string) (*drive.File, error) {
			return f.Put(t.Context(), "a", strings.NewReader(strings.Repeat("y", 3*mib)), drive.PutOptions{Properties: p})
		},
	}
	tests := []struct{ change, want map[string]string }{
		{map[string]string{"k": ""}, map[string]string{"l.m": "w"}},
		{map[string]string{"k": "", "l.m": ""}, nil},
		{map[string]string{"k": "", "n": "x"}, map[string]string{"l.m": "w", "n": "x"}},
		{map[string]string{"none": ""}, map[string]string{"k": "v", "l.m": "w"}},
		{nil, map[string]string{"k": "v", "l.m": "w"}},
	}
	for name, do := range changes {
		for _, tt := range tests {
			folder, _ := newFolder(t)
			opts := drive.PutOptions{Properties: map[string]string{"k": "v", "l.m": "w"}}
			if _, err := folder.Put(t.Context(), "a", strings.NewReader("x"), opts); err != nil {
				t.Fatal(err)
			}
			if file, err := do(folder, tt.change); err != nil || !maps.Equal(file.Properties, tt.want) {
				t.Errorf("%s of %v: %+v, %v; want %v", name, tt.change, file, err, tt.want)
			}
		}
	}
}
