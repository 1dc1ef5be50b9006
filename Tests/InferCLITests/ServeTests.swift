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
}
