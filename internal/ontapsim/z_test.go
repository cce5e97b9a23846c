package ontapsim
import ("testing";"time";"net/http/httptest")
func TestZ(t *testing.T){
 s:=time.Now(); c := New(Config{Managers: tenThousand}); t.Log("new", time.Since(s))
 for _, q := range []string{"?fields=uuid,scope,svm,enabled,configuration,external,status","?fields=external","","?svm.name=km00500", "?fields=**"} {
 for range 3 { s=time.Now()
		r := httptest.NewRequest("GET", managersPath+q, nil)
		r.SetBasicAuth("admin", "netapp1!")
		r.Header.Set("Accept", "application/json")
		resp, _ := c.RoundTrip(r)
 t.Log(q, resp.ContentLength, time.Since(s)) } }
}
