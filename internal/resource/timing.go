package resource

import "kmagent/internal/schedule"

// A Timing says when an action is taken by itself: at the slots of a schedule, each once. It is
// kmagent's own; ONTAP knows nothing of it. It is comparable.
type Timing struct {
	schedule.Spec
	Keep int // of generations: how many stay; 0 where there are none
}

// String is the short form that plans show: "0 3 1 * * Europe/Berlin".
func (t Timing) String() string { return t.Schedule + " " + t.Timezone }

// TimingValue is the value of a field of type [Timed].
func TimingValue(t Timing) Value { return Value{t} }

// Timing returns the timing that v holds; the zero Timing if it holds none.
func (v Value) Timing() Timing { t, _ := v.v.(Timing); return t }

// timed is a field that says when an action is taken by itself.
func timed(name, action, doc string) Field {
	return Field{Name: name, Type: Timed, Runs: action, Doc: doc}
}
