package desired

import "strings"

// auth reads the one way to authenticate, or returns nil. A secret may stand anywhere in
// what is written wrongly here, so nothing of it is repeated.
func (d *decoder) auth(p place) Auth {
	p.private = true
	ways := []string{"basic", "certificate", "bearer"}
	keys, ok := d.keys(p, ways...)
	if !ok {
		return nil
	}
	if len(keys) != 1 {
		d.wrong(p, "must have exactly one of %s", strings.Join(ways, ", "))
		return nil
	}
	if way, ok := keys["basic"]; ok {
		return d.basic(way)
	}
	if way, ok := keys["certificate"]; ok {
		return d.certificate(way)
	}
	return d.bearer(keys["bearer"])
}

func (d *decoder) basic(p place) Auth {
	keys, ok := d.keys(p, "username", "password")
	if !ok {
		return nil
	}
	var a Basic
	if v, ok := d.need(p, keys, "username", "the cluster's user"); ok {
		a.Username, _ = d.str(v)
	}
	if v, ok := d.need(p, keys, "password", "a reference to the user's password, such as cred:NAME"); ok {
		a.Password, _ = d.ref(v)
	}
	return a
}

func (d *decoder) certificate(p place) Auth {
	keys, ok := d.keys(p, "cert_file", "key_file")
	if !ok {
		return nil
	}
	var a Certificate
	if v, ok := d.need(p, keys, "cert_file", "the PEM file of the client certificate"); ok {
		a.CertFile, _ = d.absolute(v)
	}
	if v, ok := d.need(p, keys, "key_file", "the PEM file of the certificate's key"); ok {
		a.KeyFile, _ = d.absolute(v)
	}
	return a
}

func (d *decoder) bearer(p place) Auth {
	keys, ok := d.keys(p, "token")
	if !ok {
		return nil
	}
	var a Bearer
	if v, ok := d.need(p, keys, "token", "a reference to the access token, such as file:/PATH"); ok {
		a.Token, _ = d.ref(v)
	}
	return a
}
