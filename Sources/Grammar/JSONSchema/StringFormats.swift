/// The formats of JSON Schema that are enforced, as regular expressions over the whole string.
enum StringFormats {
    private static let day =
        #"(?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|"#
        + #"02-(?:0[1-9]|1\d|2[0-8]))|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"#
    private static let zone = #"(?:[zZ]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"#
    private static let clock =
        #"(?:(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?"# + zone + #"|23:59:60(?:\.\d+)?(?:[zZ]|[+-]00:00))"#
    private static let octet = #"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"#
    private static let ipv4 = octet + #"(?:\."# + octet + "){3}"
    private static let label = #"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"#
    private static let hostname = label + #"(?:\."# + label + ")*"
    private static let atom = #"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"#
    private static let email =
        "(?:" + atom + #"(?:\."# + atom + #")*|"(?:[^"\\\x00-\x1F]|\\[^\x00-\x1F])*")@(?:"# + hostname + #"|\[(?:"#
        + ipv4
        + #"|IPv6:"# + ipv6 + #")\])"#
    private static let duration =
        #"P(?:\d+W|(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)(?:T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?"#
        + #"|T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))"#

    private static let ipv6: String = {
        let group = "[0-9A-Fa-f]{1,4}"
        let tail = "(?:\(group):\(group)|\(ipv4))"
        var forms = ["(?:\(group):){6}\(tail)"]
        // At most so many groups on either side of `::`.
        for before in 0...7 {
            let head = before == 0 ? "" : "\(group)(?::\(group)){\(before - 1)}"
            let room = 7 - before
            var rests = [""]
            if room >= 1 { rests.append(group) }
            if room >= 2 { rests.append("(?:\(group):){0,\(room - 2)}\(tail)") }
            forms.append("\(head)::(?:\(rests.joined(separator: "|")))")
        }
        return "(?:" + forms.joined(separator: "|") + ")"
    }()

    private static let percent = "%[0-9A-Fa-f]{2}"
    private static func path(_ extra: String) -> String { "(?:[A-Za-z0-9._~!$&'()*+,;=:@/\(extra)-]|\(percent))*" }
    private static func query(_ extra: String) -> String { "(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\(extra)-]|\(percent))*" }
    private static func authority(_ extra: String) -> String {
        #"(?:(?:[A-Za-z0-9._~!$&'()*+,;=:\#(extra)-]|\#(percent))*@)?(?:\[(?:\#(ipv6)|[vV][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\]"#
            + #"|(?:[A-Za-z0-9._~!$&'()*+,;=\#(extra)-]|\#(percent))*)(?::\d*)?"#
    }

    private static func uri(_ extra: String, isReference: Bool) -> String {
        let rest = "(?:\\?\(query(extra)))?(?:#\(query(extra)))?"
        let hierarchy =
            "(?://\(authority(extra))(?:/\(path(extra)))?|/?(?:[A-Za-z0-9._~!$&'()*+,;=:@\(extra)-]|\(percent))"
            + "\(path(extra))|/?)"
        let absolute = "[A-Za-z][A-Za-z0-9+.-]*:\(hierarchy)\(rest)"
        guard isReference else { return absolute }
        let segment = "(?:[A-Za-z0-9._~!$&'()*+,;=@\(extra)-]|\(percent))+(?:/\(path(extra)))?"
        let relative =
            "(?://\(authority(extra))(?:/\(path(extra)))?|/(?:(?:[A-Za-z0-9._~!$&'()*+,;=:@\(extra)-]|\(percent))\(path(extra)))?"
            + "|\(segment)|)"
        return "(?:\(absolute)|\(relative)\(rest))"
    }

    private static let international = #"\u00A0-\uD7FF\uF900-\uFDCF\uFDF0-\uFFEF\u{10000}-\u{EFFFD}"#
    private static let pointer = "(?:/(?:[^~/]|~[01])*)*"

    /// A regular expression for regular expressions, with groups nested as deeply as people write them.
    private static let regex: String = {
        let escape = #"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|c[A-Za-z]|[^uxc\n])"#
        let set = #"\[\^?(?:[^\]\\\n]|"# + escape + #")*\]"#
        let quantifier = #"(?:(?:[*+?]|\{\d+(?:,\d*)?\})\??)?"#
        var inner = ""
        for depth in 0..<4 {
            let group = depth == 0 ? "" : #"|\((?:\?(?::|=|!|<=|<!|P?<[A-Za-z_]\w*>))?"# + inner + #"\)"#
            inner = #"(?:(?:[^\\()\[*+?|\n]|"# + escape + "|" + set + group + ")" + quantifier + #"|\|)*"#
        }
        return inner
    }()

    /// - Returns: nil for formats that are only annotations.
    static func pattern(_ name: String) -> String? {
        switch name {
        case "date": day
        case "time": clock
        case "date-time": day + "[tT]" + clock
        case "duration": duration
        case "email": email
        case "idn-email": #"[^@\s"]+@[^@\s"]+"#
        case "hostname": hostname
        case "ipv4", "ip-address": ipv4
        case "ipv6": ipv6
        case "uuid": "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
        case "uri": uri("", isReference: false)
        case "uri-reference": uri("", isReference: true)
        case "iri": uri(international, isReference: false)
        case "iri-reference": uri(international, isReference: true)
        case "regex": regex
        case "json-pointer": pointer
        case "relative-json-pointer": "(?:0|[1-9]\\d*)(?:#|\(pointer))"
        default: nil
        }
    }

    static func isEnforced(_ name: String) -> Bool { pattern(name) != nil }
}
