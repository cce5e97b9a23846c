package diff

import "kmagent/internal/resource"

// links finds the objects that wanted ones name. A cluster has two certificates and more
// for every SVM, so that a walk over all of them for each name would be quadratic.
type links struct {
	all    []*resource.Object
	byName map[linkName]*resource.Object // made when first needed, as is byID
	byID   map[string]*resource.Object
}

type linkName struct {
	kind             *resource.Kind
	where, svm, name string
}

// find returns the object that l names for an owner at the scope svm: the SVM's own first,
// then the cluster's (ONTAP REST reference, certificates: the look-up of NetApp's own
// module). The object must have the type that where says.
func (x *links) find(to *resource.Kind, svm, where string, l resource.LinkTo) (*resource.Object, bool) {
	if l.UUID != "" {
		o := x.ids()[l.UUID]
		return o, o != nil && o.Kind == to && typeOf(o) == where &&
			(o.Addr.SVM == svm || o.Addr.SVM == "") && (l.Name == "" || l.Name == o.Addr.Name)
	}
	names := x.names()
	own, ok := names[linkName{to, where, svm, l.Name}]
	if !ok {
		own, ok = names[linkName{to, where, "", l.Name}]
	}
	return own, ok
}

func (x *links) names() map[linkName]*resource.Object {
	if x.byName == nil {
		x.byName = make(map[linkName]*resource.Object, len(x.all))
		for _, o := range x.all {
			x.byName[linkName{o.Kind, typeOf(o), o.Addr.SVM, o.Addr.Name}] = o
		}
	}
	return x.byName
}

func (x *links) ids() map[string]*resource.Object {
	if x.byID == nil {
		x.byID = make(map[string]*resource.Object, len(x.all))
		for _, o := range x.all {
			x.byID[o.ID] = o
		}
	}
	return x.byID
}

func typeOf(o *resource.Object) string { return o.Value("type").Str() }
