package drivetest

import (
	"net/http"
	"strconv"
)

// maxUploadSize is the limit in the API's discovery document.
const maxUploadSize = 5497558138880

// about answers about.get with the fields that concern the folder.
func (c *call) about() (*answer, *apiError) {
	if c.param("fields") == "" {
		return nil, &apiError{status: 400, reason: "required", message: "The 'fields' parameter is required for this method.",
			location: "fields", locationType: "parameter"}
	}
	m, err := c.mask("", shape{"kind": nil, "user": openShape, "storageQuota": openShape, "maxUploadSize": nil,
		"appInstalled": nil, "importFormats": openShape, "exportFormats": openShape, "maxImportSizes": openShape,
		"folderColorPalette": nil, "driveThemes": openShape, "teamDriveThemes": openShape,
		"canCreateDrives": nil, "canCreateTeamDrives": nil})
	if err != nil {
		return nil, err
	}
	c.srv.mu.Lock()
	usage, limit := strconv.FormatInt(usage(c.user.files), 10), c.srv.quota
	c.srv.mu.Unlock()
	quota := map[string]any{"usage": usage, "usageInDrive": usage, "usageInDriveTrash": "0"}
	if limit > 0 {
		quota["limit"] = strconv.FormatInt(limit, 10)
	}
	reply := m.apply(map[string]any{
		"kind": "drive#about", "user": c.user.resource(), "storageQuota": quota,
		"maxUploadSize": strconv.FormatInt(maxUploadSize, 10),
	})
	return jsonAnswer(http.StatusOK, reply, c.pretty()), nil
}

// generateIDs answers files.generateIds.
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

// number returns a parameter between 1 and limit, or otherwise if it is absent.
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
