// Package apis calls another API of Google's for a user, by Google's own client.
package apis

import (
	"context"
	"time"

	"google.golang.org/api/calendar/v3"
	"google.golang.org/api/option"

	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// NextEvent returns the title of the next event in a user's calendar, also while
// the user is away.
func NextEvent(ctx context.Context, grants *tokenstore.Manager, subject string) (string, error) {
	service, err := calendar.NewService(ctx, option.WithHTTPClient(grants.HTTPClient(subject)))
	if err != nil {
		return "", err
	}
	events, err := service.Events.List("primary").SingleEvents(true).OrderBy("startTime").
		TimeMin(time.Now().Format(time.RFC3339)).MaxResults(1).Context(ctx).Do()
	if err != nil || len(events.Items) == 0 { // an error may be tokenstore.ErrNeedsConsent
		return "", err
	}
	return events.Items[0].Summary, nil
}
