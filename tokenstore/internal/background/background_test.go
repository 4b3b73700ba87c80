package background_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed3a054f9c/googlesignin/tokenstore/internal/background"
)

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var work background.Work
		if err := work.Wait(t.Context()); err != nil {
			t.Errorf("Wait without work = %v", err)
		}
		for range 2 { // the second time it is begun again
			began := time.Now()
			for i := range 3 {
				end := work.Begin()
				time.AfterFunc(time.Duration(i+1)*time.Second, end)
			}
			impatient := errors.New("impatient")
			ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, impatient)
			defer cancel()
			if err := work.Wait(ctx); !errors.Is(err, impatient) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Wait when its context ends = %v, want that and the cause", err)
			}
			if err := work.Wait(t.Context()); err != nil || time.Since(began) != 3*time.Second {
				t.Errorf("Wait = %v after %v, want nil when the last work ends", err, time.Since(began))
			}
		}
	})
}

func TestTask(t *testing.T) {
	failed := errors.New("failed")
	for name, run := range map[string]func() error{
		"nil":   func() error { return nil },
		"error": func() error { return failed },
	} {
		t.Run(name, func(t *testing.T) {
			task := background.NewTask()
			go task.Run(run)
			<-task.Done()
			if err := task.Result(); err != run() {
				t.Errorf("Result = %v, want %v", err, run())
			}
		})
	}
	t.Run("panic", func(t *testing.T) {
		task := background.NewTask()
		go task.Run(func() error { panic("a fault") })
		<-task.Done()
		for range 2 { // in each caller that waits
			func() {
				defer func() {
					if r := recover(); r != "a fault" {
						t.Errorf("Result raises %v", r)
					}
				}()
				t.Errorf("Result = %v", task.Result())
			}()
		}
	})
	t.Run("Goexit", func(t *testing.T) {
		task := background.NewTask()
		go task.Run(func() error { runtime.Goexit(); return nil })
		<-task.Done()
		if err := task.Result(); err == nil {
			t.Error("Result = nil after a Goexit")
		}
	})
}
