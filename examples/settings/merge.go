package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"time"
)

// A Document is all settings of a user, by their keys.
type Document map[string]Setting

// A Setting remembers its last change, so that two versions of a document can be
// merged setting by setting.
type Setting struct {
	Value   json.RawMessage `json:"value"`   // null: removed, which has to be remembered as well
	Changed time.Time       `json:"changed"` // by the clock of the device
	Device  string          `json:"device"`  // that changed it
}

// Merge returns every setting of a and b; where both have one, the later change.
// The order in which versions are merged makes no difference, nor does merging
// one twice: this is what lets devices agree in the end.
func Merge(a, b Document) Document {
	merged := maps.Clone(a)
	if merged == nil {
		merged = Document{}
	}
	for key, setting := range b {
		if old, ok := merged[key]; !ok || old.compare(setting) < 0 {
			merged[key] = setting
		}
	}
	return merged
}

// compare orders changes by time. Two at the same moment have to be told apart
// somehow, but everywhere in the same way.
func (s Setting) compare(t Setting) int {
	return cmp.Or(s.Changed.Compare(t.Changed), cmp.Compare(s.Device, t.Device), bytes.Compare(s.Value, t.Value))
}

// Equal reports whether a and b have the same settings from the same changes.
func Equal(a, b Document) bool {
	return maps.EqualFunc(a, b, func(s, t Setting) bool { return s.compare(t) == 0 })
}
