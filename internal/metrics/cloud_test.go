package metrics

import (
	"strings"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A cloud key manager is as available as its service, and between two reads of it what was
// read last stands.
func TestCloudService(t *testing.T) {
	m, reg := fresh(t)
	m.Clusters([]Cluster{{Name: "prod-a", Interval: time.Minute}})
	pass := func(c *resource.Cluster) string {
		m.Pass("prod-a", Pass{Result: InSync, Ended: start, Observed: c, Plan: &plan.Plan{}})
		return scrape(t, reg)
	}
	has := func(when, got string, lines ...string) {
		t.Helper()
		for _, l := range lines {
			if !strings.Contains(got, l+"\n") {
				t.Errorf("%s: no %s", when, l)
			}
		}
	}
	down := []string{
		`kmagent_cloud_kms_reachable{cluster="prod-a",svm="vs",type="azure"} 0`,
		`kmagent_key_manager_state{cluster="prod-a",state="unavailable",svm="vs",type="azure"} 1`,
		`kmagent_ekmip_reachable{cluster="prod-a",node="node1",svm="vs"} 1`,
		`kmagent_ekmip_reachable{cluster="prod-a",node="node2",svm="vs"} 0`,
	}
	has("unreachable", pass(observed("PROD_A", azure("vs", "u", false, "node1", "node2"))), down...)
	cheap := observed("PROD_A", resource.NewObject(resource.Azure, addr("azure_key_vault", "vs", "")))
	cheap.Health = false
	for _, o := range cheap.Objects {
		o.ID = "u"
	}
	has("not asked for this time", pass(cheap), down...)
	has("reachable", pass(observed("PROD_A", azure("vs", "u", true, "node1"))),
		`kmagent_cloud_kms_reachable{cluster="prod-a",svm="vs",type="azure"} 1`,
		`kmagent_key_manager_state{cluster="prod-a",state="available",svm="vs",type="azure"} 1`)
	stranger := observed("PROD_A", azure("vs", "u", true, "node9", "node9"))
	if got := pass(stranger); strings.Contains(got, "node9") {
		t.Error("a node that the cluster does not have has a series")
	}
	if got := pass(observed("PROD_A")); strings.Contains(got, "kmagent_cloud_kms_reachable{") {
		t.Error("the series of a key vault that is gone is still there")
	}
}
