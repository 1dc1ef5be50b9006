import CommandSupport
import Testing

@Suite("Sample statistics") struct StatisticsTests {
    @Test("percentiles are NumPy's") func percentiles() {
        // numpy.percentile([15, 20, 35, 40, 50], [0, 5, 30, 40, 90, 99, 100])
        let sample = SampleStatistics([35, 15, 50, 40, 20])
        let expected: [(Double, Double)] = [
            (0, 15), (5, 16), (30, 23), (40, 29), (90, 46), (99, 49.6), (100, 50),
        ]
        for (percent, value) in expected { #expect(abs(sample.percentile(percent) - value) < 1e-12, "\(percent)") }
        #expect(sample.median == 35)
        #expect(SampleStatistics([1, 2, 3, 10]).median == 2.5)
    }

    @Test("mean and the sample's standard deviation") func moments() {
        let sample = SampleStatistics([2, 4, 4, 4, 5, 5, 7, 9])
        #expect(sample.mean == 5)
        #expect(abs(sample.standardDeviation - (32.0 / 7).squareRoot()) < 1e-12)
    }

    @Test("nothing and one value") func few() {
        #expect(SampleStatistics([]).mean == 0 && SampleStatistics([]).percentile(99) == 0)
        let one = SampleStatistics([3])
        #expect(one.median == 3 && one.percentile(99) == 3 && one.standardDeviation == 0)
    }

    @Test("a profile's floor and gap follow from the ceilings") func profile() {
        let rates = DeviceRates(readBytesPerSecond: 10e9, flopsPerSecond: 100e9)
        #expect(rates.floorSeconds(byteCount: 1e9, flopCount: 1e9) == 0.1)
        #expect(rates.floorSeconds(byteCount: 1e9, flopCount: 50e9) == 0.5)
    }
}
