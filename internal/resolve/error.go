package resolve

import "kmagent/internal/secret"

// An Error is a reference that could not be opened. It has nothing of the secret in it.
type Error struct {
	Ref    secret.Ref
	Reason Reason
}

func (e *Error) Error() string {
	text := e.Ref.String() + ": " + string(e.Reason)
	if e.Reason == Exposed {
		text += "; chmod 0600 " + e.Ref.Name()
	}
	return text
}

// A Reason says why. The set is closed, so that it can be a label.
type Reason string

// The reasons.
const (
	Missing       Reason = "does not exist"
	Unreadable    Reason = "cannot be read"
	NotRegular    Reason = "is not a regular file"
	Foreign       Reason = "belongs neither to root nor to this user"
	Exposed       Reason = "others than its owner have access"
	Outside       Reason = "is not below a directory that secrets may be in"
	TooLarge      Reason = "is larger than 64 KiB"
	Empty         Reason = "is empty"
	NoCredentials Reason = "there is no credentials directory"
	Unknown       Reason = "names no place that is known"
)
