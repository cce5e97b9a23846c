package ontapsim

import (
	"net/http"
	"strconv"
)

// An apiError is an ONTAP error body with its HTTP status.
type apiError struct {
	status  int
	code    string // always a JSON string on the wire
	message string
	target  string // the field or parameter at fault, or ""
}

// body is the error body of the REST API reference, "Response body".
func (e *apiError) body() object {
	inner := object{{"message", e.message}, {"code", e.code}}
	inner.opt("target", e.target)
	return object{{"error", inner}}
}

func problem(status, code int, target, message string) *apiError {
	return &apiError{status, strconv.Itoa(code), message, target}
}

// quoted shows a value of the request in a message, cut to a length a log can bear.
func quoted(s string) string { return strconv.Quote(short(s)) }

func short(s string) string {
	const most = 256
	if len(s) > most {
		s = s[:most]
	}
	return s
}

func errNotFound(target string) *apiError {
	return problem(http.StatusNotFound, 4, target, "entry doesn't exist")
}

func errNoAPI() *apiError { return problem(http.StatusNotFound, 3, "", "API not found") }

func errMethod(method string) *apiError {
	return problem(http.StatusMethodNotAllowed, 3, "", "The operation "+method+" is not supported on this resource.")
}

func errUnauthorized() *apiError {
	return problem(http.StatusUnauthorized, 6691623, "", "User is not authorized.")
}

func errForbidden() *apiError {
	return problem(http.StatusForbidden, 6, "", "not authorized for that command")
}

func errMalformedURL() *apiError {
	return problem(http.StatusBadRequest, 39387137, "", "The URL is malformed.")
}

func errInURL(name string) *apiError {
	return problem(http.StatusBadRequest, 262202, name, "Field "+quoted(name)+" cannot be given in the URL.")
}

func errUnexpected(name string) *apiError {
	return problem(http.StatusBadRequest, 262179, name, "Unexpected argument "+quoted(name)+".")
}

func errNotSettable(name string) *apiError {
	return problem(http.StatusBadRequest, 262196, name, "Field "+quoted(name)+" cannot be set in this operation.")
}

func errFields(name string) *apiError {
	return problem(http.StatusBadRequest, 262197, "fields", "The value "+quoted(name)+` is invalid for field "fields".`)
}

func errInvalid(value, name string) *apiError {
	return problem(http.StatusBadRequest, 262197, name, "The value "+quoted(value)+" is invalid for field "+quoted(name)+".")
}

// errValue shows a value as JSON writes it; "" is one that must not be shown.
func errValue(value, name string) *apiError {
	message := "Invalid value for field " + quoted(name)
	if value != "" {
		message += ": " + short(value)
	}
	return problem(http.StatusBadRequest, 262247, name, message+".")
}

func errTogether(name, other string) *apiError {
	return problem(http.StatusBadRequest, 262186, name, "Field "+quoted(name)+" cannot be used with "+quoted(other)+".")
}

func errMissing(name string) *apiError {
	return problem(http.StatusBadRequest, 262278, name, "Required field "+quoted(name)+" is missing.")
}

func errNothing() *apiError {
	return problem(http.StatusBadRequest, 262190, "", "There is nothing to apply.")
}

func errTwice(name string) *apiError {
	return problem(http.StatusBadRequest, 262188, name, "Field "+quoted(name)+" is given twice.")
}

func errSyntax() *apiError {
	return problem(http.StatusBadRequest, 262201, "", "The body is not valid JSON.")
}

func errNoBody() *apiError {
	return problem(http.StatusBadRequest, 262198, "", "A body is not allowed in this operation.")
}

func errNoSVM(name string) *apiError {
	return problem(http.StatusBadRequest, 13434893, "svm.name", "SVM "+quoted(name)+" does not exist.")
}
