package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/seed3a054f9c/googlesignin/idtoken/risc"
)

// openStream reads the key file of the service account.
func openStream(keyFile string) (*risc.Stream, error) {
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	cfg, err := risc.StreamConfigFromJSON(key)
	if err != nil {
		return nil, err
	}
	return risc.NewStream(cfg)
}

// register has Google send events to the receiver, and waits for the first, which
// shows that they arrive.
func register(ctx context.Context, out io.Writer, s *risc.Stream, receiver string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := s.Register(ctx, receiver)
	if err == nil {
		err = s.SetStatus(ctx, risc.Enabled)
	}
	if err == nil {
		err = s.Verify(ctx)
	}
	if err != nil {
		return explain(err)
	}
	fmt.Fprintf(out, "Google's events arrive at %s\n", receiver)
	return nil
}

// manage does one thing with the stream.
func manage(ctx context.Context, out io.Writer, s *risc.Stream, action string) error {
	if s == nil {
		return errors.New("-stream and -receiver need -service-account")
	}
	switch action {
	case "on":
		return explain(s.SetStatus(ctx, risc.Enabled))
	case "off":
		return explain(s.SetStatus(ctx, risc.Disabled))
	case "show":
		info, err := s.Info(ctx)
		if err != nil {
			return explain(err)
		}
		status, err := s.Status(ctx)
		if err != nil {
			return explain(err)
		}
		fmt.Fprintf(out, "%s: %s\n", info.Receiver, status)
		for _, uri := range info.Events {
			fmt.Fprintln(out, " ", uri)
		}
		return nil
	}
	return fmt.Errorf("-stream is %q, want show, on or off", action)
}

// explain adds what to do about a refusal.
func explain(err error) error {
	if e, ok := errors.AsType[*risc.StreamError](err); ok {
		return fmt.Errorf("%w. %s", err, e.Hint())
	}
	return err
}
