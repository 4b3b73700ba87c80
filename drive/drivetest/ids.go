package drivetest

import (
	"net/http"
	"strconv"
)

// generateIDs is files.generateIds.
func (c *call) generateIDs() (*answer, *apiError) {
	m, err := c.mask("kind,space,ids", shape{"kind": nil, "space": nil, "ids": nil})
	if err != nil {
		return nil, err
	}
	count, err := c.number("count", 10, 1000)
	if err != nil {
		return nil, err
	}
	space := orElse(c.param("space"), "drive")
	switch {
	case space != "drive" && space != "appDataFolder":
		return nil, invalid("space", "Invalid Value")
	case space == "drive" && !c.granted.drive(), space == "appDataFolder" && !c.granted.appData():
		return nil, wrongSpace()
	}
	if kind := orElse(c.param("type"), "files"); kind != "files" && kind != "shortcuts" {
		return nil, invalid("type", "Invalid Value")
	}
	ids := make([]any, count)
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	for i := range ids {
		id := newFileID()
		ids[i] = id
		if space == "appDataFolder" {
			c.user.ids[id] = false
		}
	}
	reply := m.apply(map[string]any{"kind": "drive#generatedIds", "space": space, "ids": ids})
	return jsonAnswer(http.StatusOK, reply, c.pretty()), nil
}

// number reads a parameter between 1 and limit.
func (c *call) number(name string, otherwise, limit int) (int, *apiError) {
	text := c.param(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > limit {
		return 0, invalid(name, "Invalid value '"+text+"'. Values must be within the range: [1, "+strconv.Itoa(limit)+"]")
	}
	return n, nil
}
