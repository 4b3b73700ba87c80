package drivetest

import (
	"slices"
	"strings"
)

// The query parameters, from the discovery document. Those that concern shared
// drives, labels and permissions change nothing here, and neither does
// setModifiedDate, which is version 2's: rclone sends it when it replaces a file.
const (
	globalParameters = "alt fields key prettyPrint quotaUser userIp $.xgafv "
	commonParameters = "enforceSingleParent includeLabels includePermissionsForView supportsAllDrives supportsTeamDrives "
	writeParameters  = commonParameters + "keepRevisionForever ocrLanguage uploadType useContentAsIndexableText "
	createParameters = writeParameters + "ignoreDefaultVisibility "
	updateParameters = writeParameters + "addParents removeParents setModifiedDate "
	listParameters   = commonParameters + "corpora corpus driveId includeItemsFromAllDrives includeTeamDriveItems " +
		"orderBy pageSize pageToken q spaces teamDriveId "
)

func parametersOf(op Op) []string {
	own := ""
	switch op {
	case OpGenerateIDs:
		own = "count space type"
	case OpList:
		own = listParameters
	case OpGet, OpDownload:
		own = commonParameters + "acknowledgeAbuse"
	case OpCreate:
		own = createParameters
	case OpUpdate:
		own = updateParameters
	case OpDelete:
		own = commonParameters
	case OpUploadStart, OpUploadChunk, OpUploadStatus:
		own = createParameters + updateParameters + "upload_id"
	}
	return strings.Fields(globalParameters + own)
}

// checkParameters refuses parameters that the method does not have or that come
// twice, and forms of the answer that it does not offer.
func (c *call) checkParameters() *apiError {
	if c.op == OpOther {
		return nil
	}
	known := parametersOf(c.op)
	for name, values := range c.r.URL.Query() {
		if !slices.Contains(known, name) {
			return &apiError{status: 400, reason: "invalidParameter", location: name, locationType: "parameter",
				message: "Unknown name \"" + name + "\": Cannot find field."}
		}
		if len(values) != 1 {
			return invalid(name, "Invalid Value")
		}
	}
	want := "json"
	if c.op == OpDownload {
		want = "media"
	}
	if alt := c.param("alt"); alt != "" && alt != want {
		return invalid("alt", "Invalid Value")
	}
	return nil
}

func (c *call) param(name string) string { return c.r.URL.Query().Get(name) }

func (c *call) pretty() bool { return c.param("prettyPrint") != "false" }
