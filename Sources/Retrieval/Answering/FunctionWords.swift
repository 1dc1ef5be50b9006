/// Words that say nothing of what a question is about, in the languages that are most often asked in.
enum FunctionWords {
    static let english = """
        a about above after all am an and any are as at be because been before being below between both but by can could \
        did do does doing done down each every few for from further had has have having he her here hers him his how i if \
        in into is it its itself just let lets like make may me might more most much must my no nor not of off on once \
        one only or other our out over own please same shall she should so some such tell than that the their them then \
        there these they this those through to too under until up us use used very was we were what when where which \
        while who whom whose why will with would you your
        """
    static let german = """
        aber als am an auch auf aus bei bin bis bist da das dass dem den der des die dies diese dieser dieses doch du ein \
        eine einem einen einer eines er es für hat haben habe hatte ich ihr im in ist ja kann können man mit nach nicht \
        noch nur oder sein sich sie sind so über um und uns vom von vor wann war warum was welche welcher welches wenn wer \
        werden wie wieso wird wir wo wozu zu zum zur
        """
    static let french = """
        au aux avec ce ces cet cette comme comment dans de des du elle en est et eu il ils je la le les leur lui ma mais \
        me même mes moi mon ne nos notre nous on ou où par pas pour pourquoi quand que quel quelle quels quelles qui sa \
        se ses son sont sur ta te tes toi ton tu un une vos votre vous
        """
    static let spanish = """
        al como cómo con cual cuál cuando cuándo de del desde donde dónde el ella en entre era es esta este esto está fue \
        ha hay la las le lo los más mi muy no nos o para pero por porque qué que quien quién se ser si sin sobre son su \
        sus también tiene un una uno y ya
        """

    static let all = Set(
        [english, german, french, spanish].flatMap { $0.split(separator: " ").map(String.init) })

    /// The words that are none of these, each once; all of them where nothing else would be left.
    static func contentWords(_ words: [String]) -> [String] {
        var seen: Set<String> = []
        let unique = words.filter { seen.insert($0).inserted }
        let content = unique.filter { !all.contains($0) }
        return content.isEmpty ? unique : content
    }
}
