package serverlog

import "testing"

func BenchmarkParse(b *testing.B) {
	for name, line := range map[string]string{
		"other": "[1] 2026/11/22 06:31:08.123456 [INF] 10.42.0.9:51034 - cid:77 - Client connection closed: Client Closed",
		"slow":  "[1] 2026/11/22 06:31:08.123456 [WRN] Internal subscription on \"$NRG.P.7vzGqwRW\" took too long: 2.99s",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Parse(line)
			}
		})
	}
}
