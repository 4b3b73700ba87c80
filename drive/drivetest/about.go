package drivetest

import (
	"net/http"
	"strconv"
)

// maxUploadSize is that of the discovery document.
const maxUploadSize = 5497558138880

// about is about.get, as far as it concerns the folder.
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
	usage, limit := strconv.FormatInt(c.user.usage(), 10), c.srv.quota
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
