package ontap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// A Reason says why there was no answer. The set is closed, so that it can be a label.
type Reason string

// The reasons.
const (
	DNS          Reason = "dns"
	Refused      Reason = "refused"
	Unreachable  Reason = "unreachable"
	Timeout      Reason = "timeout"
	Canceled     Reason = "canceled" // by the caller
	Reset        Reason = "reset"
	EOF          Reason = "eof"
	Protocol     Reason = "protocol" // what came was not HTTP
	TLSExpired   Reason = "tls_expired"
	TLSUntrusted Reason = "tls_untrusted"
	TLSName      Reason = "tls_name"
	TLSOther     Reason = "tls_other"
)

// TLS says whether the cluster's certificate, ours, or the handshake is to blame.
func (r Reason) TLS() bool {
	return r == TLSExpired || r == TLSUntrusted || r == TLSName || r == TLSOther
}

func (r Reason) text() string {
	switch r {
	case DNS:
		return "the host name does not resolve"
	case Refused:
		return "connection refused"
	case Unreachable:
		return "no connection can be made"
	case Timeout:
		return "no whole answer in time"
	case Canceled:
		return "canceled"
	case Reset:
		return "connection reset"
	case EOF:
		return "connection closed before the end of the answer"
	case TLSExpired:
		return "TLS: the certificate has expired or is not valid yet"
	case TLSUntrusted:
		return "TLS: no trusted CA signed the certificate"
	case TLSName:
		return "TLS: the certificate is for another host name"
	case TLSOther:
		return "TLS: no secure connection"
	default:
		return "not an HTTP answer"
	}
}

// A dialError is an attempt to connect that failed: nothing of a request was sent.
type dialError struct {
	fallback Reason
	detail   string
	err      error
}

func (e *dialError) Error() string { return "connect: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// reasonOf classifies the failure of an exchange.
func reasonOf(err error) Reason {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return DNS
	}
	if r := tlsReason(err); r != "" {
		return r
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return Timeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return EOF
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return Timeout
	}
	if e, ok := errors.AsType[*dialError](err); ok {
		return e.fallback
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return Unreachable
	}
	return Protocol
}

// tlsReason is empty where TLS is not to blame. Errors of x509 quote the names of the other
// side's certificate without a limit, so only their types are used.
func tlsReason(err error) Reason {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return TLSName
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return TLSUntrusted
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired { // before its time, too
			return TLSExpired
		}
		return TLSUntrusted
	}
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	// The cluster's alert: TLS 1.3 refuses a client certificate only after the handshake.
	alert, isOp := errors.AsType[*net.OpError](err)
	if verify || record || isOp && alert.Op == "remote error" {
		return TLSOther
	}
	return ""
}

// neverSent says whether an error comes from before there was a connection.
func neverSent(err error) bool {
	_, ours := errors.AsType[*dialError](err)
	_, dns := errors.AsType[*net.DNSError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	return ours || dns || isOp && op.Op == "dial"
}
