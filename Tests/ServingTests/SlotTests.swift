import JSONCore
import NIOCore
import Serving
import TestSupport
import Testing

/// What `/slots` shows of sequences that run, that wait and that have ended.
struct SlotTests {
    @Test("A slot shows its task while it runs and afterwards; a free one shows nothing of a task")
    func tasks() async throws {
        try await TestServer.with(sequenceCount: 2) { server in
            let idle = try await server.get("/slots").json().array.map(Array.init) ?? []
            #expect(idle.map { $0["id"]?.int ?? -1 } == [0, 1])
            for slot in idle {
                #expect(slot["is_processing"]?.bool == false)
                #expect(slot["params"] == nil && slot["id_task"] == nil)
                #expect(slot["n_ctx"]?.int == 512)
            }
            let body =
                #"{"prompt":"Enter","n_predict":400,"ignore_eos":true,"stream":true,"temperature":0.5,"seed":9}"#
            let request = server.request("POST", "/completion", [:], Array(body.utf8))
            try await server.withConnection { inbound, outbound in
                try await outbound.write(.init(bytes: request))
                var received = 0
                for try await part in inbound {
                    received += part.readableBytes
                    if received > 2000 { break }
                }
                let slots = try await server.get("/slots").json().array.map(Array.init) ?? []
                let busy = slots.first { $0["is_processing"]?.bool == true }
                #expect(busy?["id"]?.int == 0, "\(slots.count)")
                #expect(busy?["params"]?["n_predict"]?.int == 400)
                #expect(busy?["params"]?["seed"]?.int == 9)
                let next: JSONValue? = busy?["next_token"]?.array?.first
                let decoded = next?["n_decoded"]?.int ?? 0
                #expect(decoded > 0 && next?["n_remain"]?.int == 400 - decoded)
                #expect(busy?["n_past"]?.int == (busy?["n_prompt_tokens"]?.int ?? 0) + decoded)
                #expect(next?["has_next_token"]?.bool == true)
            }
            // The client has gone; its slot is freed and keeps what was there.
            var slots: [JSONValue] = []
            for _ in 0..<200 {
                slots = try await server.get("/slots").json().array.map(Array.init) ?? []
                if !slots.contains(where: { $0["is_processing"]?.bool == true }) { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(slots.first?["is_processing"]?.bool == false)
            #expect(slots.first?["id_task"]?.int == 0)
            #expect(slots.last?["id_task"] == nil)
            #expect(try await server.get("/slots?fail_on_no_slot=1").status == 200)
        }
    }

    @Test("Where every slot is taken, fail_on_no_slot is answered with 503")
    func full() async throws {
        try await TestServer.with(sequenceCount: 1) { server in
            let body = #"{"prompt":"Enter","n_predict":450,"ignore_eos":true,"stream":true}"#
            let request = server.request("POST", "/completion", [:], Array(body.utf8))
            try await server.withConnection { inbound, outbound in
                try await outbound.write(.init(bytes: request))
                for try await part in inbound where part.readableBytes > 0 { break }
                let answer = try await server.get("/slots?fail_on_no_slot=1")
                #expect(answer.status == 503, "\(answer.text)")
                #expect(try await server.get("/slots").status == 200)
            }
        }
    }
}
