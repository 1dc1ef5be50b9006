import TensorCore
import TestSupport
import Testing

@Suite("number formats")
struct NumberFormatTests {
    @Test("every row of the table has a name of its own, and a number of its own in GGUF")
    func names() {
        #expect(Set(NumberFormat.allCases.map(\.rawValue)).count == NumberFormat.allCases.count)
        let numbers = NumberFormat.allCases.compactMap(\.ggufType)
        #expect(Set(numbers).count == numbers.count)
        for format in NumberFormat.allCases {
            #expect(NumberFormat(rawValue: format.rawValue) == format)
            if let number = format.ggufType { #expect(NumberFormat(ggufType: number) == format) }
        }
        #expect(NumberFormat(rawValue: "Q4_k") == nil)
        #expect(NumberFormat(ggufType: 4) == nil)
        #expect(NumberFormat(ggufType: .max) == nil)
    }

    @Test("names of weight formats are told apart by case alone from none other")
    func weightNames() {
        let names = WeightFormat.allCases.map { $0.rawValue.lowercased() }
        #expect(Set(names).count == names.count)
        for format in WeightFormat.allCases { #expect(WeightFormat(rawValue: format.rawValue) == format) }
        #expect(WeightFormat(.int64) == nil)
        #expect(WeightFormat(.int8) == .int8)
    }

    @Test("block formats have the number and sizes that other software gives them", arguments: WeightFormat.blocked)
    func sizes(format: WeightFormat) throws {
        let golden = try GoldenBlocks(format.numberFormat)
        #expect(format.numberFormat.ggufType.map(Int.init) == golden.ggufType)
        #expect(format.blockSize == golden.blockSize)
        #expect(format.blockByteCount == golden.blockByteCount)
        #expect(format.blockByteCount % format.alignment == 0)
    }
}
