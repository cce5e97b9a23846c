package ontapsim

import "testing"

func TestCodesOfMetroCluster(t *testing.T) {
	checkCodes(t, map[string][]int{"GET metrocluster": {2426405}}, nil, []provocation{
		{table: "GET metrocluster", code: 2426405, world: `{"broken":{"metrocluster_lookup":true}}`, path: "/api/cluster/metrocluster"},
	})
}

func TestMetroCluster(t *testing.T) {
	cases := []struct{ why, world, want string }{
		{"none", `{}`, `{"local":{"configuration_state":"not_configured","mode":"not_configured"},"remote":{"configuration_state":"not_configured","mode":"not_configured"}}`},
		{"a healthy one", `{"metrocluster":{}}`, `{"local":{"configuration_state":"configured","mode":"normal"},"remote":{"configuration_state":"configured","mode":"normal"}}`},
		{"a partner that is gone", `{"metrocluster":{"partner":"unreachable"}}`, `{"local":{"configuration_state":"configured","mode":"normal"},"remote":{"configuration_state":"not_reachable","mode":"not_reachable"}}`},
	}
	for _, c := range cases {
		k := newCaller(t, Config{Name: "c1"})
		k.world(c.world)
		if _, got := k.text("GET", "/api/cluster/metrocluster?fields=local,remote,!local.cluster", ""); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.why, got, c.want)
		}
		if name, _ := k.must("GET", "/api/cluster/metrocluster", "").text("local.cluster.name"); name != "c1" {
			t.Errorf("%s: the local cluster is %q", c.why, name)
		}
	}
}
