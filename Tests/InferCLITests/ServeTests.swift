import Foundation
import Testing

/// `infer serve` as a process: how it starts and ends.
struct ServeTests {
    private static let start = #"""
        log=$(mktemp)
        "$INFER" serve --port 0 -t 1 --device cpu ARGUMENTS 2>"$log" &
        server=$!
        trap 'kill -9 $server 2>/dev/null; rm -f "$log"' EXIT
        for _ in $(seq 300); do
            port=$(sed -n 's/.*listening on http:[^ ]*:\([0-9]*\),.*/\1/p' "$log")
            [ -n "$port" ] && break
            sleep 0.05
        done
        ask() {
            exec 4<>/dev/tcp/127.0.0.1/$port
            printf '%s\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' "$1" "${#2}" "$2" >&4
            cat <&4
            exec 4<&-
        }

        """#

    private static func script(_ arguments: String, _ rest: String) -> String {
        start.replacingOccurrences(of: "ARGUMENTS", with: arguments) + rest
    }

    @Test("SIGTERM lets the stream that runs finish, refuses what is new, and ends with 0")
    func drain() throws {
        let result = try CommandLineTool.shell(
            ServeTests.script(
                "",
                #"""
                exec 3<>/dev/tcp/127.0.0.1/$port
                body='{"prompt":"Enter","max_tokens":480,"n":16,"ignore_eos":true,"stream":true}'
                printf 'POST /v1/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' \
                    ${#body} "$body" >&3
                IFS= read -r line <&3
                echo "stream ${line%$'\r'}"
                kill -TERM $server
                sleep 0.1
                echo "ready $(ask 'GET /ready HTTP/1.1' '' | head -n 1)"
                echo "new $(ask 'POST /v1/completions HTTP/1.1' '{"prompt":"a","max_tokens":1}' | head -n 1)"
                echo "end $(cat <&3 | grep -c 'data: \[DONE\]')"
                wait $server
                echo "exit $?"
                """#))
        #expect(result.output.contains("stream HTTP/1.1 200 OK"), "\(result.output) \(result.errors)")
        #expect(result.output.contains("ready HTTP/1.1 503"), "\(result.output)")
        #expect(result.output.contains("new HTTP/1.1 503"), "\(result.output)")
        #expect(result.output.contains("end 1\n"), "\(result.output)")
        #expect(result.output.contains("exit 0\n"), "\(result.output)")
    }

    @Test("Keys come from a file and the environment; the log can be JSON")
    func keys() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try Data("# keys\nalpha\n\nbeta\n".utf8).write(to: folder.file("keys"))
        let result = try CommandLineTool.shell(
            ServeTests.script(
                "--api-key-file '\(folder.file("keys").path)' --alias poet",
                #"""
                for key in alpha beta gamma delta; do
                    echo "$key $(ask "GET /v1/models HTTP/1.1"$'\r\n'"x-api-key: $key" '' | head -n 1)"
                done
                kill -TERM $server
                wait $server
                """#), environment: ["INFER_API_KEY": "gamma"])
        for key in ["alpha", "beta", "gamma"] {
            #expect(result.output.contains("\(key) HTTP/1.1 200"), "\(result.output)")
        }
        #expect(result.output.contains("delta HTTP/1.1 401"), "\(result.output)")
    }

    @Test("A port that is taken, options that contradict one another and empty key files end in one line")
    func refusals() throws {
        CommandLineTool.expectFailure(
            try CommandLineTool.run(["serve", "--port", "70000"]), code: 64, naming: ["--port", "70000"], "port")
        CommandLineTool.expectFailure(
            try CommandLineTool.run(["serve", "--model", "a", "--model", "b", "--any-model"]), code: 64,
            naming: ["--any-model"], "any model")
        CommandLineTool.expectFailure(
            try CommandLineTool.run(["serve", "--api-key-file", "/dev/null"]), code: 1, naming: ["/dev/null"], "keys")
        CommandLineTool.expectFailure(
            try CommandLineTool.run(["serve", "--host", "203.0.113.7", "--port", "0", "--device", "cpu"]), code: 1,
            naming: ["203.0.113.7"], "address")
    }

    @Test("Collections are searched over HTTP, and found anew when they have changed")
    func collections() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let database = folder.file("birds.db").path
        func index(_ text: String) throws {
            try Data("{\"id\": \"a\", \"text\": \"\(text)\"}\n".utf8).write(to: folder.file("d.jsonl"))
            let result = try CommandLineTool.run([
                "index", "--jsonl", folder.file("d.jsonl").path, "--lexical-only", "-c", database,
            ])
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        try index("the heron wades")
        let again = "\"$INFER\" index --jsonl '\(folder.file("e.jsonl").path)' --lexical-only -c '\(database)'"
        try Data("{\"id\": \"b\", \"text\": \"a stork nests\"}\n".utf8).write(to: folder.file("e.jsonl"))
        let result = try CommandLineTool.shell(
            ServeTests.script(
                "--collection '\(database)' --collection law='\(database)'",
                #"""
                search() { ask 'POST /v1/search HTTP/1.1' "$1" | tr -d '\r' | sed -n '1p;$p' | tr '\n' ' '; echo; }
                echo "first $(search '{"query":"stork"}')"
                echo "heron $(search '{"query":"heron","collection":"law"}')"
                """# + again + #"""
                     >/dev/null
                    echo "second $(search '{"query":"stork"}')"
                    echo "mode $(search '{"query":"stork","mode":"dense"}')"
                    echo "where $(search '{"query":"stork","where":"path ~"}')"
                    echo "list $(ask 'GET /v1/collections HTTP/1.1' '' | tail -n 1)"
                    kill -TERM $server
                    wait $server
                    echo "exit $?"
                    """#))
        let lines = result.output.split(separator: "\n").map(String.init)
        func line(_ name: String) -> String { lines.first { $0.hasPrefix(name + " ") } ?? "" }
        #expect(line("first").contains(" 200 OK") && line("first").contains(#""data":[]"#), "\(result.output)")
        #expect(line("heron").contains(#""id":"a""#) && line("heron").contains(#""collection":"law""#))
        #expect(line("second").contains(#""id":"b""#) && line("second").contains("a stork nests"))
        #expect(line("mode").contains(" 400 ") && line("mode").contains(#""param":"mode""#))
        #expect(line("where").contains(" 400 ") && line("where").contains(#""param":"where""#))
        #expect(line("list").contains(#""id":"law""#) && line("list").contains(#""chunks":2"#))
        #expect(line("exit") == "exit 0", "\(result.errors)")
    }

    @Test("Collections that are missing or named twice end the start")
    func missingCollection() throws {
        let missing = try CommandLineTool.run(["serve", "--port", "0", "--collection", "/nonexistent/c.db"])
        #expect(missing.exitCode == 1 && missing.errorLines.count == 1 && missing.errors.contains("/nonexistent/c.db"))
        let twice = try CommandLineTool.run(["serve", "--collection", "a/c.db", "--collection", "b/c.db"])
        #expect(twice.exitCode == 64 && twice.errors.contains("'c'"), "\(twice.errors)")
        let alone = try CommandLineTool.run(["serve", "--rerank", "m"])
        #expect(alone.exitCode == 64, "\(alone.errors)")
    }
}
