/*
 * The yardstick for the network: the same root task with a bare C loop in place of the interpreter. It
 * answers ARP and ICMP echo on the first virtio-net device as 10.0.2.15 and does nothing else, so the
 * difference to the hive is what TypeScript costs. Virtqueues after virtio 1.2 §2.7, transport after §4.2.
 */
#include "platform.h"
#include <stdint.h>
#include <string.h>

enum { DEVICE_NET = 1, QUEUE = 64, BUFFER = 2048, HEADER = 12 };
enum { RX, TX };
enum { MAGIC = 0x00, VERSION = 0x04, DEVICE_ID = 0x08, DRIVER_FEATURES = 0x20, DRIVER_SELECT = 0x24, QUEUE_SELECT = 0x30,
       QUEUE_NUM = 0x38, QUEUE_READY = 0x44, NOTIFY = 0x50, IRQ_STATUS = 0x60, IRQ_ACK = 0x64, STATUS = 0x70,
       QUEUE_DESC = 0x80, QUEUE_AVAIL = 0x90, QUEUE_USED = 0xa0, CONFIG = 0x100 };
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, DESC_WRITE = 2 };

struct queue {
    struct { uint64_t address; uint32_t length; uint16_t flags, next; } desc[QUEUE];
    struct { uint16_t flags, idx, ring[QUEUE]; } avail __attribute__((aligned(2)));
    struct { uint16_t flags, idx; struct { uint32_t id, length; } ring[QUEUE]; } used __attribute__((aligned(4)));
    uint8_t buffers[QUEUE][BUFFER] __attribute__((aligned(16)));
};

static volatile uint8_t *registers;
static volatile struct queue *queues[2];
static uint16_t seen[2];
static uint8_t mac[6];
static const uint8_t address[4] = {10, 0, 2, 15};

static void write32(unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(registers + offset) = value;
}

static uint32_t read32(unsigned offset)
{
    return *(volatile uint32_t *)(registers + offset);
}

static void barrier(void)
{
    __asm__ volatile("dmb osh" ::: "memory");
}

static void offer(int which, uint16_t id)
{
    volatile struct queue *q = queues[which];
    q->avail.ring[q->avail.idx % QUEUE] = id;
    barrier();
    q->avail.idx++;
    barrier();
}

static void write64(unsigned offset, uint64_t value)
{
    write32(offset, (uint32_t)value);
    write32(offset + 4, (uint32_t)(value >> 32));
}

static bool set_up(int which)
{
    void *memory;
    uint64_t at;
    if (platform_dma_alloc(sizeof(struct queue), &memory, &at))
        return false;
    volatile struct queue *q = queues[which] = memory;
    write32(QUEUE_SELECT, (uint32_t)which);
    write32(QUEUE_NUM, QUEUE);
    write64(QUEUE_DESC, at + offsetof(struct queue, desc));
    write64(QUEUE_AVAIL, at + offsetof(struct queue, avail));
    write64(QUEUE_USED, at + offsetof(struct queue, used));
    write32(QUEUE_READY, 1);
    for (uint16_t i = 0; i < QUEUE; i++) {
        q->desc[i].address = at + offsetof(struct queue, buffers) + i * (uint64_t)BUFFER;
        q->desc[i].length = BUFFER;
        q->desc[i].flags = which == RX ? DESC_WRITE : 0;
        if (which == RX)
            offer(RX, i);
    }
    return true;
}

static uint16_t checksum(const uint8_t *bytes, unsigned length)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < length; i += 2)
        sum += (uint32_t)bytes[i] << 8 | (i + 1 < length ? bytes[i + 1] : 0);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* Turns a request into its answer in place; false for everything that is neither ARP nor echo for us. */
static bool answer(uint8_t *frame, unsigned length)
{
    uint8_t *p = frame + 14;
    if (length >= 42 && frame[12] == 8 && frame[13] == 6 && p[7] == 1 && !memcmp(p + 24, address, 4)) {
        p[7] = 2;
        memcpy(p + 18, p + 8, 10);
        memcpy(p + 8, mac, 6);
        memcpy(p + 14, address, 4);
    } else if (length >= 42 && frame[12] == 8 && frame[13] == 0 && p[0] == 0x45 && p[9] == 1 && p[20] == 8 && !memcmp(p + 16, address, 4)) {
        unsigned total = (unsigned)p[2] << 8 | p[3];
        if (total > length - 14 || total < 28)
            return false;
        memcpy(p + 16, p + 12, 4);
        memcpy(p + 12, address, 4);
        p[20] = p[22] = p[23] = 0;
        uint16_t sum = checksum(p + 20, total - 20);
        p[22] = (uint8_t)(sum >> 8);
        p[23] = (uint8_t)sum;
    } else {
        return false;
    }
    memcpy(frame, frame + 6, 6);
    memcpy(frame + 6, mac, 6);
    return true;
}

static void serve(void)
{
    bool sent = false, offered = false;
    while (seen[RX] != queues[RX]->used.idx) {
        barrier();
        uint32_t id = queues[RX]->used.ring[seen[RX] % QUEUE].id % QUEUE, length = queues[RX]->used.ring[seen[RX] % QUEUE].length;
        uint8_t *frame = (uint8_t *)queues[RX]->buffers[id];
        uint16_t slot = queues[TX]->avail.idx % QUEUE;
        if (length > HEADER && length <= BUFFER && answer(frame + HEADER, length - HEADER)) {
            memset(frame, 0, HEADER);
            memcpy((void *)queues[TX]->buffers[slot], frame, length);
            queues[TX]->desc[slot].length = length;
            offer(TX, slot);
            sent = true;
        }
        offer(RX, (uint16_t)id);
        offered = true;
        seen[RX]++;
    }
    if (offered)
        write32(NOTIFY, RX);
    if (sent)
        write32(NOTIFY, TX);
}

int engine_main(void)
{
    unsigned count;
    const struct platform_device *devices = platform_devices(&count), *net = NULL;
    for (unsigned i = 0; i < count && !net; i++)
        if (!strcmp(devices[i].compatible, "virtio,mmio") && !platform_mmio_map(devices[i].base, devices[i].size, &registers) &&
            read32(VERSION) == 2 && read32(DEVICE_ID) == DEVICE_NET)
            net = &devices[i];
    if (!net)
        platform_halt("no virtio-net device (version 2)");
    int bit = platform_irq_bind((uint32_t)net->irq, net->edge);
    write32(STATUS, 0);
    write32(STATUS, ACKNOWLEDGE | DRIVER);
    write32(DRIVER_SELECT, 0);
    write32(DRIVER_FEATURES, 1u << 5); /* VIRTIO_NET_F_MAC */
    write32(DRIVER_SELECT, 1);
    write32(DRIVER_FEATURES, 1); /* VIRTIO_F_VERSION_1 */
    write32(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    for (unsigned i = 0; i < 6; i++)
        mac[i] = registers[CONFIG + i];
    if (bit < 0 || !set_up(RX) || !set_up(TX))
        platform_halt("the network device cannot be set up");
    queues[TX]->avail.flags = 1; /* VIRTQ_AVAIL_F_NO_INTERRUPT */
    write32(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    write32(NOTIFY, RX);
    platform_console_write("echo: ready\r\n", 13);
    for (;;) {
        platform_wait(PLATFORM_NEVER);
        write32(IRQ_ACK, read32(IRQ_STATUS));
        serve();
        platform_irq_ack((unsigned)bit);
        serve(); /* what came between the last look and the acknowledgement */
    }
}
