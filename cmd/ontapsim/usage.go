package main

// usage is what --help says before the flags.
const usage = `ontapsim serves simulated ONTAP clusters: the REST API of external and onboard key
management under /api, and a control surface under /sim on the same port. When all
clusters listen it writes one JSON line to standard output:

  {"clusters":[{"name":"cluster1","endpoint":"https://127.0.0.1:40001"}],"ca_file":"…/ca.pem"}

Control surface: GET /sim/requests?since=N; POST, GET and DELETE /sim/faults; GET and
PATCH /sim/world; GET and PUT /sim/state. docs/ontapsim.md describes all of it.

Flags:
`
