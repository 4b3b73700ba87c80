package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/seed3a054f9c/googlesignin/drive"
	"github.com/seed3a054f9c/googlesignin/exchange"
	"github.com/seed3a054f9c/googlesignin/tokenstore"
)

// once is embedded by jobs that the queue takes only once for the same arguments.
type once struct{}

func (once) InsertOpts() river.InsertOpts {
	return river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

// A Round is the job that inserts the visits of a period.
type Round struct {
	once
	Period time.Time `json:"period"` // when it begins
}

func (Round) Kind() string { return "round" }

type roundWorker struct {
	river.WorkerDefaults[Round]
	grants *tokenstore.Manager
}

// Timeout leaves time for many users.
func (*roundWorker) Timeout(*river.Job[Round]) time.Duration { return 5 * time.Minute }

// Work inserts a visit for each user, those who need to give consent included: they
// may have done so when it is their turn. If it runs again, it inserts those that are
// missing.
func (w *roundWorker) Work(ctx context.Context, job *river.Job[Round]) error {
	var visits []river.InsertManyParams
	for subject, err := range w.grants.Subjects(ctx, "") {
		if err != nil {
			return err
		}
		visits = append(visits, river.InsertManyParams{Args: Visit{Subject: subject, Period: job.Args.Period}})
	}
	queue := river.ClientFromContext[pgx.Tx](ctx)
	for batch := range slices.Chunk(visits, 1000) {
		if _, err := queue.InsertMany(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// A Visit is the work for one user in one period. A job has no token in it: rows of
// the queue are read by people and copied into backups.
type Visit struct {
	once
	Subject string    `json:"subject"`
	Period  time.Time `json:"period"`
}

func (Visit) Kind() string { return "visit" }

type visitWorker struct {
	river.WorkerDefaults[Visit]
	grants    *tokenstore.Manager
	leases    tokenstore.Leaser
	leaseTime time.Duration // longer than a job may take
	clientID  string
	db        *pgxpool.Pool
	drive     drive.Config // without the user
	log       *slog.Logger
}

// Work visits the user, and decides what happens to the job if that fails. River
// stores the text of the error, in which there is never a token.
func (w *visitWorker) Work(ctx context.Context, job *river.Job[Visit]) error {
	err := w.visit(ctx, job.Args)
	notice := ""
	switch {
	case err == nil:
		w.log.InfoContext(ctx, "visited", "subject", job.Args.Subject, "period", job.Args.Period)
	case errors.Is(err, tokenstore.ErrNotFound): // the user has disconnected, and wants no notice
	case errors.Is(err, tokenstore.ErrNeedsConsent):
		notice = "Please connect your Google Account again."
	case errors.Is(err, drive.ErrScope):
		notice = "Please connect your Google Account again, and allow the access to Google Drive."
	default:
		if d := retryAfter(err); d > 0 {
			return river.JobSnooze(d) // does not count as an attempt
		}
		return err // tried again by River, later each time
	}
	if err := w.setNotice(ctx, job.Args.Subject, notice); err != nil {
		return err
	}
	if err != nil {
		return river.JobCancel(err)
	}
	return nil
}

// retryAfter returns how long it makes no sense to try again, or 0 if that is not
// known.
func retryAfter(err error) (d time.Duration) {
	if e, ok := errors.AsType[*tokenstore.PausedError](err); ok {
		d = max(d, e.RetryAfter(), time.Second)
	}
	if e, ok := errors.AsType[*exchange.Error](err); ok {
		d = max(d, e.RetryAfter)
	}
	if e, ok := errors.AsType[*drive.Error](err); ok {
		d = max(d, e.RetryAfter)
	}
	if errors.Is(err, drive.ErrRateLimited) {
		d = cmp.Or(d, time.Minute)
	}
	if errors.Is(err, errBusy) {
		d = 10 * time.Second
	}
	return min(d, 24*time.Hour)
}

// setNotice sets the text that the application shows the user; empty: none.
func (w *visitWorker) setNotice(ctx context.Context, subject, notice string) error {
	if notice == "" {
		_, err := w.db.Exec(ctx, "DELETE FROM notices WHERE subject = $1", subject)
		return err
	}
	_, err := w.db.Exec(ctx, `INSERT INTO notices (subject, notice) VALUES ($1, $2)
		ON CONFLICT (subject) DO UPDATE SET notice = excluded.notice`, subject, notice)
	return err
}

const journal = "journal.json"

// An entry is a line of the journal.
type entry struct {
	Period time.Time `json:"period"`
}

var errBusy = errors.New("another visit to the user goes on")

// visit adds an entry for the period to the user's journal. A job may run more than
// once: if its process dies, or if the queue does not hear that it is done. So the
// period is the key by which the work is done once.
//
// After an outage the jobs of two periods may run at the same time. Drive has no
// conditional write, so each of them could replace the journal that the other one has
// just written: visits to one user take turns, by a lease that outlasts the job.
func (w *visitWorker) visit(ctx context.Context, v Visit) error {
	release, ok, err := w.leases.Lease(ctx, tokenstore.Key{ClientID: w.clientID, Subject: v.Subject}, "worker/visit", w.leaseTime)
	if err != nil {
		return err
	}
	if !ok {
		return errBusy
	}
	defer release()
	cfg := w.drive
	cfg.HTTPClient = w.grants.HTTPClient(v.Subject)
	folder, err := drive.New(cfg)
	if err != nil {
		return err
	}
	entries, file, err := drive.ReadJSON[[]entry](ctx, folder, journal)
	revision := drive.Absent
	switch {
	case err == nil:
		revision = file.Revision
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if slices.ContainsFunc(entries, func(e entry) bool { return e.Period.Equal(v.Period) }) {
		return nil
	}
	_, err = drive.WriteJSON(ctx, folder, journal, append(entries, entry{v.Period}), drive.PutOptions{IfRevision: revision})
	return err
}
