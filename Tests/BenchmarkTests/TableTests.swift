import CommandSupport
import JSONCore
import Testing

@Suite("Tables") struct TableTests {
    private static func row(_ name: String, _ rate: Double) -> TableRow {
        var row = TableRow()
        row.add("model", name)
        row.add("n_prompt", 512)
        row.add("avg_ts", rate)
        row.add("samples_ts", [rate, 2])
        row.show("model", name)
        row.show(number: "t/s", fixed(rate, digits: 2))
        return row
    }

    private func text(_ format: TableFormat) -> String {
        var table = TableText(format, name: "test")
        return table.row(Self.row("a\"b'c|d", 1.5)) + table.row(Self.row("e", 2)) + table.footer()
    }

    @Test("markdown") func markdown() {
        #expect(text(.md) == "| model | t/s |\n| :-- | --: |\n| a\"b'c\\|d | 1.50 |\n| e | 2.00 |\n")
    }

    @Test("csv quotes quotes and leaves lists out") func csv() {
        #expect(
            text(.csv) == "model,n_prompt,avg_ts\n\"a\"\"b'c|d\",\"512\",\"1.500000\"\n\"e\",\"512\",\"2.000000\"\n")
    }

    @Test("json is one array, jsonl one object a line") func json() throws {
        let array = try #require(try JSONDocument(parsing: text(.json), source: "json").root.array)
        #expect(array.count == 2)
        let lines = text(.jsonl).split(separator: "\n")
        #expect(lines.count == 2)
        let first = try JSONDocument(parsing: String(lines[0]), source: "jsonl").root
        #expect(first["model"]?.string == "a\"b'c|d" && first["n_prompt"]?.int == 512)
        #expect(first["samples_ts"]?.array?.count == 2)
        #expect(TableText(.json, name: "none").footer() == "[]\n")
    }

    @Test("sql creates its table and escapes") func sql() {
        let text = text(.sql)
        #expect(
            text.hasPrefix("CREATE TABLE IF NOT EXISTS test (\n  model TEXT,\n  n_prompt INTEGER,\n  avg_ts REAL\n);\n")
        )
        #expect(text.contains("INSERT INTO test (model, n_prompt, avg_ts) VALUES ('a\"b''c|d', '512', '1.500000');\n"))
    }

    @Test("a number that is none becomes null") func notFinite() throws {
        let text = TableText.json(Self.row("x", .nan))
        #expect(try JSONDocument(parsing: text, source: "row").root["avg_ts"]?.isNull == true)
    }
}
