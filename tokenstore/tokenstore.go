// Package tokenstore keeps the refresh tokens of users who signed in with
// Google, and turns them into access tokens.
package tokenstore
