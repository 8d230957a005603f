/* A Modbus server on libmodbus: holding and input registers 0 to 999 hold their address times 3, writes are kept.
   Usage: peer_server tcp PORT | peer_server rtu DEVICE BAUD. Serves unit 7 on RTU. Ends with its standard input. */
#include <errno.h>
#include <modbus.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void serve(modbus_t *context, modbus_mapping_t *mapping, int is_tcp) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    for (;;) {
        int fd = modbus_get_socket(context);
        struct pollfd ready[2] = {{fd, POLLIN, 0}, {0, POLLIN | POLLHUP, 0}};
        if (poll(ready, 2, -1) < 0 || ready[1].revents)
            exit(0);
        int length = modbus_receive(context, query);
        if (length > 0)
            modbus_reply(context, query, length, mapping);
        else if (length < 0 && is_tcp)
            return;
    }
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    modbus_mapping_t *mapping = modbus_mapping_new(16, 16, 1000, 1000);
    for (int i = 0; i < 1000; i++)
        mapping->tab_registers[i] = mapping->tab_input_registers[i] = (uint16_t)(i * 3);
    int is_tcp = !strcmp(argv[1], "tcp");
    modbus_t *context = is_tcp ? modbus_new_tcp("127.0.0.1", atoi(argv[2]))
                               : modbus_new_rtu(argv[2], atoi(argv[3]), 'N', 8, 1);
    if (!context || !mapping)
        return 1;
    if (is_tcp) {
        int listener = modbus_tcp_listen(context, 4);
        printf("ready\n"), fflush(stdout);
        while (modbus_tcp_accept(context, &listener) >= 0)
            serve(context, mapping, 1);
    } else {
        modbus_set_slave(context, 7);
        if (modbus_connect(context))
            return 1;
        printf("ready\n"), fflush(stdout);
        serve(context, mapping, 0);
    }
    return 0;
}
