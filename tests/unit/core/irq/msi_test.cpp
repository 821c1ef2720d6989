// SPDX-License-Identifier: MIT
// Messages of PCI functions: what is written into their registers, when they are masked, what is refused.
#include "fake_devices.hpp"
#include "machine_test.hpp"

#include <core/evtchn/event_channels.hpp>
#include <core/irq/pci_devices.hpp>
#include <core/mm/device_memory.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kBar = 0xf0000000;

class MsiTest : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        set_device_machine(&devices);
        pirqs_start();
    }
    void TearDown() override
    {
        MachineTest::TearDown();
        for (Line const* line : devices.vectors)
            EXPECT_EQ(line, nullptr) << "a vector was kept";
        set_pirq_hooks({});
        set_device_machine(nullptr);
    }
    static MsiRequest msi(std::uint8_t devfn, std::uint32_t count = 1) { return {{0, 0, devfn}, count, 0, 0}; }
    static MsiRequest msix(std::uint8_t devfn, std::uint32_t entry) { return {{0, 0, devfn}, 1, entry, kBar}; }
    static bool pending(Domain& domain, EvtchnPort port)
    {
        return (domain.shared_info->evtchn_pending[0] >> port.raw() & 1) != 0;
    }

    test::FakeDevices devices;
};

TEST_F(MsiTest, AMessageIsWrittenMaskedAndOpensWhenBound)
{
    auto& function = devices.add_msi(0x10, true, true);
    Domain& guest = domain();
    std::uint32_t const pirq = map_msi_pirq(guest, msi(0x10), -1).value();
    EXPECT_GE(pirq, test::FakeDevices::kGsis);
    EXPECT_EQ(function.get<std::uint64_t>(0x54), 0xfee00000ull);
    EXPECT_EQ(function.get<std::uint16_t>(0x5c), 0);
    EXPECT_EQ(function.get<std::uint32_t>(0x60), ~0u) << "masked";
    EvtchnPort const port = guest.events->bind_pirq(pirq, false).value();
    EXPECT_EQ(function.get<std::uint32_t>(0x60), ~1u);
    line_interrupt(*devices.vectors.at(0));
    EXPECT_TRUE(pending(guest, port));
    EXPECT_EQ(function.get<std::uint32_t>(0x60), ~1u) << "an edge is not masked";
    EXPECT_TRUE(guest.events->close(port));
    EXPECT_EQ(function.get<std::uint32_t>(0x60), ~0u);
}

TEST_F(MsiTest, ShortRegistersHaveTheirDataEarlier)
{
    auto& function = devices.add_msi(0x10, false, false);
    devices.vectors.assign(5, nullptr);
    Domain& guest = domain();
    std::uint32_t const pirq = map_msi_pirq(guest, msi(0x10), -1).value();
    EXPECT_EQ(function.get<std::uint32_t>(0x54), 0xfee00000u);
    EXPECT_EQ(function.get<std::uint16_t>(0x58), 5);
    line_interrupt(*devices.vectors.at(5)); // cannot be masked: dropped while nobody is bound
    EvtchnPort const port = guest.events->bind_pirq(pirq, false).value();
    EXPECT_FALSE(pending(guest, port));
}

TEST_F(MsiTest, SeveralMessagesAreConsecutiveAndEndTogether)
{
    auto& function = devices.add_msi(0x10, true, true, 3);
    devices.vectors.assign(3, nullptr);
    Domain& guest = domain();
    EXPECT_EQ(map_msi_pirq(guest, msi(0x10, 16), -1).error(), Errno::NoSpc);
    EXPECT_EQ(map_msi_pirq(guest, msi(0x10, 3), -1).error(), Errno::Inval);
    EXPECT_EQ(map_msi_pirq(guest, msi(0x10, 0), -1).error(), Errno::Inval);
    EXPECT_EQ(map_msi_pirq(guest, msi(0x10, 64), -1).error(), Errno::Inval);
    std::uint32_t const first = map_msi_pirq(guest, msi(0x10, 4), -1).value();
    EXPECT_EQ(function.get<std::uint16_t>(0x5c), 4);
    EXPECT_EQ(function.get<std::uint16_t>(0x52) >> 4 & 7, 2) << "four messages enabled";
    EvtchnPort const port = guest.events->bind_pirq(first + 2, false).value();
    EXPECT_EQ(function.get<std::uint32_t>(0x60), ~4u);
    line_interrupt(*devices.vectors.at(6));
    EXPECT_TRUE(pending(guest, port));
    EXPECT_EQ(unmap_pirq(guest, first + 1).error(), Errno::Inval) << "not the first of its group";
    EXPECT_TRUE(unmap_pirq(guest, first));
    EXPECT_EQ(unmap_pirq(guest, first + 2).error(), Errno::Inval);
    EXPECT_FALSE(has_messages({0, 0, 0x10}));
}

TEST_F(MsiTest, TableEntriesAreWrittenMaskedAndOpenWhenBound)
{
    devices.add_msix(0x18, kBar, 3);
    Domain& guest = domain();
    std::uint32_t const pirq = map_msi_pirq(guest, msix(0x18, 2), -1).value();
    std::uint32_t const* const entry = devices.msix_entry(kBar, 2);
    EXPECT_EQ(entry[0], 0xfee00000u);
    EXPECT_EQ(entry[3], 1u);
    (void)guest.events->bind_pirq(pirq, false).value();
    EXPECT_EQ(entry[3], 0u);
    EXPECT_TRUE(unmap_pirq(guest, pirq));
    EXPECT_EQ(entry[3], 1u);
}

TEST_F(MsiTest, WrongRequestsAreRefused)
{
    auto& function = devices.add_msix(0x18, kBar, 3);
    Domain& guest = domain();
    EXPECT_EQ(map_msi_pirq(guest, msix(0x20, 0), -1).error(), Errno::NoDev);
    EXPECT_EQ(map_msi_pirq(guest, msi(0x18), -1).error(), Errno::NoDev) << "has no MSI";
    EXPECT_EQ(map_msi_pirq(guest, msix(0x18, 3), -1).error(), Errno::Inval);
    MsiRequest elsewhere = msix(0x18, 0);
    elsewhere.table_base += kPageSize;
    EXPECT_EQ(map_msi_pirq(guest, elsewhere, -1).error(), Errno::Inval) << "not the table's BAR";
    function.put<std::uint64_t>(0x10, 0x100000 | 4);
    elsewhere.table_base = 0x100000;
    EXPECT_EQ(map_msi_pirq(guest, elsewhere, -1).error(), Errno::Inval) << "RAM";
    function.put<std::uint64_t>(0x10, kBar | 4);
    function.put<std::uint16_t>(4, 0);
    EXPECT_EQ(map_msi_pirq(guest, msix(0x18, 0), -1).error(), Errno::NxIo) << "does not decode";
    function.put<std::uint16_t>(4, 2);
    (void)map_msi_pirq(guest, msix(0x18, 0), -1).value();
    EXPECT_EQ(map_msi_pirq(guest, msix(0x18, 0), -1).error(), Errno::Busy);
    devices.out_of_vectors = true;
    EXPECT_EQ(map_msi_pirq(guest, msix(0x18, 1), -1).error(), Errno::NoSpc);
}

TEST_F(MsiTest, RestoringWritesEverythingAgain)
{
    devices.add_msix(0x18, kBar, 3);
    auto& function = devices.add_msi(0x10, true, true);
    Domain& guest = domain();
    std::uint32_t const bound = map_msi_pirq(guest, msix(0x18, 0), -1).value();
    (void)map_msi_pirq(guest, msix(0x18, 1), -1).value();
    (void)guest.events->bind_pirq(bound, false).value();
    (void)map_msi_pirq(guest, msi(0x10), -1).value();
    for (unsigned entry = 0; entry < 2; ++entry) // as a reset leaves them
    {
        std::memset(devices.msix_entry(kBar, entry), 0, 12);
        devices.msix_entry(kBar, entry)[3] = 1;
    }
    function.put<std::uint64_t>(0x54, 0);
    EXPECT_TRUE(restore_messages({0, 0, 0x18}));
    EXPECT_EQ(devices.msix_entry(kBar, 0)[0], 0xfee00000u);
    EXPECT_EQ(devices.msix_entry(kBar, 0)[3], 0u);
    EXPECT_EQ(devices.msix_entry(kBar, 1)[0], 0xfee00000u);
    EXPECT_EQ(devices.msix_entry(kBar, 1)[2], 1u);
    EXPECT_EQ(devices.msix_entry(kBar, 1)[3], 1u);
    EXPECT_EQ(function.get<std::uint64_t>(0x54), 0ull) << "another function";
}

TEST_F(MsiTest, AnnouncedTablesAreReadOnlyUntilRemoval)
{
    auto& function = devices.add_msix(0x18, kBar, 3);
    PciFunction const name{0, 0, 0x18};
    Mfn const frame = to_mfn(MachineAddress{kBar});
    EXPECT_EQ(announce_pci_function({0, 0, 0x20}).error(), Errno::NoDev);
    EXPECT_TRUE(announce_pci_function(name));
    EXPECT_TRUE(device_frame_read_only(frame));
    function.put<std::uint64_t>(0x10, (kBar + 0x100000) | 4);
    EXPECT_TRUE(announce_pci_function(name)) << "its registers have moved";
    EXPECT_FALSE(device_frame_read_only(frame));
    EXPECT_TRUE(device_frame_read_only(frame + 0x100));
    function.put<std::uint64_t>(0x10, kBar | 4);
    Domain& guest = domain();
    std::uint32_t const pirq = map_msi_pirq(guest, msix(0x18, 0), -1).value();
    EXPECT_EQ(remove_pci_function(name).error(), Errno::Busy);
    EXPECT_TRUE(unmap_pirq(guest, pirq));
    EXPECT_TRUE(remove_pci_function(name));
    EXPECT_FALSE(device_frame_read_only(frame + 0x100));
    EXPECT_EQ(remove_pci_function(name).error(), Errno::NoDev);
}

TEST_F(MsiTest, ADomainsDeathEndsItsMessages)
{
    devices.add_msix(0x18, kBar, 3);
    Domain& guest = domain();
    std::uint32_t const pirq = map_msi_pirq(guest, msix(0x18, 0), -1).value();
    (void)guest.events->bind_pirq(pirq, false).value();
    end(guest);
    EXPECT_EQ(devices.msix_entry(kBar, 0)[3], 1u) << "masked";
    EXPECT_FALSE(has_messages({0, 0, 0x18}));
}

} // namespace
} // namespace hv
