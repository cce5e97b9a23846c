package ontapsim

import (
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A certificate is one that is installed in the cluster or in an SVM.
type certificate struct {
	UUID       string    `json:"uuid"`
	Name       string    `json:"name"`
	SVM        string    `json:"svm,omitempty"` // UUID; "" for the cluster
	Type       string    `json:"type"`
	CommonName string    `json:"common_name,omitempty"`
	Serial     string    `json:"serial_number,omitempty"`
	CA         string    `json:"ca,omitempty"`
	Expiry     time.Time `json:"expiry_time"`
	Hash       string    `json:"hash_function,omitempty"`
	KeySize    int64     `json:"key_size,omitempty"`
	Public     string    `json:"public_certificate,omitempty"`
	Private    string    `json:"private_key,omitempty"`
	KeyPair    string    `json:"key_pair"` // equal for certificates of the same key pair
	Subsystem  string    `json:"in_use_by,omitempty"`
	Preloaded  bool      `json:"preloaded,omitempty"`
	text       memo
}

// worldCertificate is a certificate as /sim/world sets it. One that exists under the name
// is changed; there is no other way to change one.
type worldCertificate struct {
	Name    string     `json:"name"`
	SVM     string     `json:"svm"`  // name; "*": the cluster and every SVM; "": the cluster
	Type    *string    `json:"type"` // client when it is new
	Expiry  *time.Time `json:"expiry_time"`
	KeyPair *string    `json:"key_pair"`
	InUseBy *string    `json:"in_use_by"` // a subsystem that uses it
	Preload *bool      `json:"preloaded"` // came with ONTAP
	Absent  bool       `json:"absent"`    // it is not installed, even where it is referred to
}

var certificateTypes = []string{"client", "server", "client_ca", "server_ca", "root_ca"}

// startExpiry is when the certificates that a cluster begins with expire.
var startExpiry = time.Date(2039, 12, 31, 0, 0, 0, 0, time.UTC)

func (t *certificate) id() string    { return t.UUID }
func (t *certificate) owner() string { return t.SVM }
func (t *certificate) hidden() bool  { return false }
func (t *certificate) memo() *memo   { return &t.text }

// reference is how other records refer to a certificate.
func (t *certificate) reference() object {
	return object{{"uuid", t.UUID}, {"name", t.Name}, {"_links", link("/api/security/certificates/" + t.UUID)}}
}

func (t *certificate) object(c *Cluster, _ bool) object {
	o := object{{"uuid", t.UUID}, {"name", t.Name}, {"type", t.Type}, {"scope", scopeOf(t.SVM)}}
	if s, ok := c.state.SVMs.find(t.SVM); ok {
		o.put("svm", s.reference())
	}
	o.opt("common_name", t.CommonName)
	o.opt("serial_number", t.Serial)
	o.opt("ca", t.CA)
	o.put("expiry_time", stamp(t.Expiry))
	o.opt("hash_function", t.Hash)
	if t.KeySize != 0 {
		o.put("key_size", t.KeySize)
	}
	o.opt("public_certificate", t.Public)
	return o
}

// scopeOf is the scope of a record by the UUID of its SVM.
func scopeOf(svm string) string {
	if svm == "" {
		return "cluster"
	}
	return "svm"
}

func certificateKind() *kind {
	return &kind{
		path: "security/certificates",
		id:   "uuid",
		fields: []field{
			{name: "uuid", on: key},
			{name: "name", on: key | post, since: since(8)},
			{name: "type", on: std | post, enum: certificateTypes},
			{name: "scope", on: std},
			{name: "svm.uuid", typ: uuid, on: std | post},
			{name: "svm.name", on: std | post},
			{name: "common_name", on: std | post},
			{name: "serial_number", on: std},
			{name: "ca", on: std},
			{name: "expiry_time", typ: moment, on: std | post},
			{name: "hash_function", on: std | post, enum: []string{"sha1", "sha224", "sha256", "sha384", "sha512", "md5"}},
			{name: "key_size", typ: integer, on: std | post},
			{name: "public_certificate", on: std | post},
			{name: "private_key", typ: secret, on: post},
			{name: "intermediate_certificates[]", on: post},
			{name: "authority_key_identifier", on: std, since: since(8)},
			{name: "subject_key_identifier", on: std, since: since(8)},
			{name: "subject_alternatives.dns[]", on: std | post, since: since(15)},
			{name: "subject_alternatives.email[]", on: std | post, since: since(15)},
			{name: "subject_alternatives.ip[]", on: std | post, since: since(15)},
			{name: "subject_alternatives.uri[]", on: std | post, since: since(15)},
		},
		list:   func(c *Cluster, _ []string) ([]record, *apiError) { return records(c.state.Certificates), nil },
		create: (*Cluster).createCertificate,
		remove: (*Cluster).removeCertificate,
	}
}

// addCertificates adds what the cluster (nil) or an SVM has at start.
func (s *state) addCertificates(owner *svm) {
	for _, t := range []certificate{
		{Name: "kmip-client", Type: "client", KeyPair: "k1"},
		{Name: "kmip-ca", Type: "server_ca", KeyPair: "kmip-ca"},
	} {
		s.addCertificate(&t, owner)
	}
}

func (s *state) addCertificate(t *certificate, owner *svm) {
	t.UUID = s.uuid()
	if owner != nil {
		t.SVM = owner.UUID
	}
	t.CommonName = cmp.Or(t.CommonName, t.Name)
	t.CA = cmp.Or(t.CA, t.CommonName)
	t.Serial = strings.ToUpper(strings.ReplaceAll(t.UUID, "-", "")[:16])
	t.Hash = cmp.Or(t.Hash, "sha256")
	t.KeySize = cmp.Or(t.KeySize, 2048)
	t.KeyPair = cmp.Or(t.KeyPair, t.UUID)
	if t.Expiry.IsZero() {
		t.Expiry = startExpiry
	}
	s.Certificates = append(s.Certificates, t)
}

// checkCertificates says what of a patch cannot be.
func checkCertificates(list []worldCertificate, svms map[string]*svm, more map[string]svmPatch) error {
	for _, w := range list {
		_, coming := more[w.SVM]
		switch {
		case w.Name == "":
			return fmt.Errorf("certificates: a certificate needs a name")
		case w.SVM != "" && w.SVM != "*" && svms[w.SVM] == nil && !coming:
			return fmt.Errorf("certificates: %s: there is no SVM %q", w.Name, w.SVM)
		case w.Type != nil && !slices.Contains(certificateTypes, *w.Type):
			return fmt.Errorf("certificates: %s: type %q is not one of %s", w.Name, *w.Type, strings.Join(certificateTypes, ", "))
		}
	}
	return nil
}

// setCertificate makes or changes a certificate wherever the patch says.
func (s *state) setCertificate(w worldCertificate, svms map[string]*svm) {
	owners := []*svm{svms[w.SVM]}
	if w.SVM == "*" {
		owners = []*svm{nil}
		for _, name := range sortedKeys(svms) {
			owners = append(owners, svms[name])
		}
	}
	for _, owner := range owners {
		t := s.certificateOf(owner, w.Name)
		if w.Absent {
			if t != nil {
				s.Certificates = slices.DeleteFunc(s.Certificates, func(x *certificate) bool { return x == t })
			}
			continue
		}
		if t == nil {
			t = &certificate{Name: w.Name, Type: "client"}
			s.addCertificate(t, owner)
		}
		set(&t.Type, w.Type)
		set(&t.Expiry, w.Expiry)
		set(&t.KeyPair, w.KeyPair)
		set(&t.Subsystem, w.InUseBy)
		set(&t.Preloaded, w.Preload)
	}
}

// certificateOf is the certificate with a name in an SVM or (nil) the cluster.
func (s *state) certificateOf(owner *svm, name string) *certificate {
	uuid := ""
	if owner != nil {
		uuid = owner.UUID
	}
	for _, t := range s.Certificates {
		if t.SVM == uuid && t.Name == name {
			return t
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// certificateFor resolves a reference to an installed certificate of a type: by name, by
// UUID or by both. A certificate of the SVM comes before one of the cluster.
func (c *Cluster) certificateFor(owner *svm, ref object, typ string) (*certificate, *apiError) {
	name, _ := ref.text("name")
	uuid, _ := ref.text("uuid")
	t, ok := c.state.Certificates.find(uuid)
	if uuid == "" {
		if t = c.state.certificateOf(owner, name); t == nil {
			t = c.state.certificateOf(nil, name)
		}
		ok = t != nil
	}
	foreign := ok && t.SVM != "" && (owner == nil || t.SVM != owner.UUID)
	if !ok || foreign || t.Type != typ || name != "" && t.Name != name {
		return nil, c.code(65536821)
	}
	return t, nil
}

func errCertificate(code int, target, message string) *apiError {
	return problem(http.StatusBadRequest, code, target, message)
}

// createCertificate installs a certificate, or makes a self-signed one.
func (c *Cluster) createCertificate(w *write) (effect, *apiError) {
	owner, err := c.svmOf(w)
	if err != nil {
		return effect{}, err
	}
	typ, ok := w.body.text("type")
	if !ok {
		return effect{}, errMissing("type")
	}
	t := &certificate{UUID: w.uuid, Type: typ}
	if owner != nil {
		t.SVM = owner.UUID
	}
	t.Name, _ = w.body.text("name")
	if t.Name != "" && c.state.certificateOf(owner, t.Name) != nil {
		return effect{}, problem(http.StatusConflict, 1, "name", "duplicate entry")
	}
	var refused *apiError
	if public, ok := w.body.text("public_certificate"); ok {
		refused = t.install(w.body, public)
	} else {
		refused = t.selfSign(w.body)
	}
	if refused != nil {
		return effect{}, refused
	}
	t.Name = cmp.Or(t.Name, fmt.Sprintf("%s_%s", t.CommonName, t.Serial))
	return effect{
		made:  func() record { return t },
		apply: func() *apiError { c.state.Certificates.insert(t); c.epoch++; return nil },
	}, nil
}

// install takes a certificate that was made elsewhere.
func (t *certificate) install(body object, public string) *apiError {
	authority := strings.HasSuffix(t.Type, "_ca")
	private, hasKey := body.text("private_key")
	chain, _ := body.list("intermediate_certificates")
	now := time.Now()
	block, _ := pem.Decode([]byte(public))
	var x *x509.Certificate
	var bad error
	if block != nil {
		x, bad = x509.ParseCertificate(block.Bytes)
	}
	switch {
	case block == nil || bad != nil:
		return errCertificate(52559975, "public_certificate", "The certificate is malformed.")
	case authority && hasKey:
		return errCertificate(3735618, "private_key", "A private key is not accepted for this type of certificate.")
	case authority && len(chain) > 0:
		return errCertificate(3735696, "intermediate_certificates", "Intermediate certificates are not accepted for this type of certificate.")
	case !authority && private == "":
		return errCertificate(3735693, "private_key", "The private key is empty.")
	case now.Before(x.NotBefore):
		return errCertificate(52559972, "public_certificate", "The certificate is not valid yet.")
	case now.After(x.NotAfter):
		return errCertificate(52559973, "public_certificate", "The certificate has expired.")
	}
	if !authority {
		keyBlock, _ := pem.Decode([]byte(private))
		if keyBlock == nil {
			return errCertificate(52560123, "private_key", "The private key is malformed.")
		}
		if _, err := tls.X509KeyPair([]byte(public), []byte(private)); err != nil {
			return errCertificate(52559976, "private_key", "The certificate and the private key do not match.")
		}
	}
	t.describe(x)
	t.Public, t.Private = public, private
	return nil
}

// describe takes over what a certificate says of itself.
func (t *certificate) describe(x *x509.Certificate) {
	pair := sha256.Sum256(x.RawSubjectPublicKeyInfo)
	t.KeyPair = hex.EncodeToString(pair[:])
	t.CommonName, t.CA = x.Subject.CommonName, x.Issuer.CommonName
	t.Serial = strings.ToUpper(x.SerialNumber.Text(16))
	t.Expiry = x.NotAfter
	t.Hash, t.KeySize = "sha256", 2048
}

// duration is the form of expiry_time as a time span: years, months and days, as in P365DT
// or P1Y6M.
var duration = regexp.MustCompile(`^P(?:(\d{1,2})Y)?(?:(\d{1,3})M)?(?:(\d{1,5})D)?T?$`)

// selfSign makes a certificate. Its key is derived from its UUID, so that the same requests
// give the same certificates.
func (t *certificate) selfSign(body object) *apiError {
	name, _ := body.text("common_name")
	if name == "" {
		return errCertificate(3735676, "common_name", "A self-signed certificate needs a common name.")
	}
	size, sized := body.integer("key_size")
	if sized && !slices.Contains([]int64{512, 1024, 1536, 2048, 3072}, size) {
		return errCertificate(3735700, "key_size", "The key size is not supported.")
	}
	now := time.Now().UTC().Truncate(time.Second)
	expiry, err := expiryOf(body, now)
	if err != nil {
		return err
	}
	seed := sha256.Sum256([]byte(t.UUID))
	private := ed25519.NewKeyFromSeed(seed[:])
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(seed[:8]),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now,
		NotAfter:     expiry,
		IsCA:         strings.HasSuffix(t.Type, "_ca"),
	}
	der, bad := x509.CreateCertificate(nil, template, template, private.Public(), private)
	if bad != nil {
		return errCertificate(3735553, "", "The self-signed certificate could not be created.")
	}
	x, bad := x509.ParseCertificate(der)
	if bad != nil {
		return errCertificate(3735553, "", "The self-signed certificate could not be created.")
	}
	t.describe(x)
	t.Public = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	hash, _ := body.text("hash_function")
	t.Hash, t.KeySize = cmp.Or(hash, t.Hash), cmp.Or(size, t.KeySize)
	return nil
}

// expiryOf reads expiry_time: a date-time or a duration, 365 days by default, from one day to
// ten years.
func expiryOf(body object, now time.Time) (time.Time, *apiError) {
	s, ok := body.text("expiry_time")
	if !ok {
		return now.AddDate(0, 0, 365), nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if m := duration.FindStringSubmatch(s); m != nil {
		var n [3]int
		for i := range n {
			n[i], _ = strconv.Atoi(m[i+1])
		}
		at, err = now.AddDate(n[0], n[1], n[2]), nil
	}
	if err != nil || at.Before(now.AddDate(0, 0, 1)) || at.After(now.AddDate(10, 0, 3)) {
		return at, errValue(quoted(s), "expiry_time")
	}
	return at, nil
}

// removeCertificate deletes a certificate that nothing uses.
func (c *Cluster) removeCertificate(_ *write, r record) (effect, *apiError) {
	t := r.(*certificate)
	for _, m := range c.state.KeyManagers {
		if m.External != nil && m.External.uses(t.UUID) {
			return effect{}, errCertificate(3735683, "", "The certificate cannot be deleted: an external key manager uses it.")
		}
	}
	if t.Subsystem != "" {
		return effect{}, errCertificate(52560272, "", "The certificate is in use by "+t.Subsystem+".")
	}
	if t.Preloaded {
		return effect{}, errCertificate(3735679, "", "The certificate came with ONTAP and cannot be deleted.")
	}
	return effect{apply: func() *apiError { c.state.Certificates.remove(t); c.epoch++; return nil }}, nil
}
