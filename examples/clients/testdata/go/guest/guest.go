// Package guest is the conversation of this module's programs with guest_test.go.
package guest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
)

// Authorize sends the user to url, and returns the address to which the browser is
// sent back.
func Authorize(url string) (back string) {
	fmt.Println("authorize", url)
	lines := bufio.NewScanner(os.Stdin)
	if !lines.Scan() {
		log.Fatal("no answer")
	}
	return lines.Text()
}

// Result reports the user.
func Result(subject, email string, refreshed bool) {
	text, err := json.Marshal(map[string]any{"subject": subject, "email": email, "refreshed": refreshed})
	Check(err)
	fmt.Printf("result %s\n", text)
}

// Check ends the program if there is an error.
func Check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
