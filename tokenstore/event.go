package tokenstore

import (
	"context"
	"log/slog"
)

// The messages of Config.Logger, as its doc comment lists them.
const (
	eventSignedIn      = "tokenstore.signed_in"
	eventRefreshed     = "tokenstore.refreshed"
	eventRotated       = "tokenstore.rotated"
	eventRefused       = "tokenstore.refused"
	eventRefreshFailed = "tokenstore.refresh_failed"
	eventNotNoted      = "tokenstore.refresh_not_noted"
	eventUnsaved       = "tokenstore.unsaved"
	eventRevoked       = "tokenstore.revoked"
	eventDisconnected  = "tokenstore.disconnected"
	eventLeaseFailed   = "tokenstore.lease_failed"
	eventReplayed      = "tokenstore.replayed"
)

func (m *Manager) event(ctx context.Context, level slog.Level, name, subject string, attrs ...slog.Attr) {
	if !m.logger.Enabled(ctx, level) {
		return
	}
	attrs = append(attrs, slog.String("client_id", m.clientID), slog.String("subject", subject))
	m.logger.LogAttrs(ctx, level, name, attrs...)
}

// errorAttr is the text of an error without a response body in it.
func errorAttr(err error) slog.Attr { return slog.String("error", withoutBody(err).Error()) }
