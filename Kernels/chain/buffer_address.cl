// buffer_address: where a buffer lies in the device's memory, for the commands of a chain (run_chain.cl).
//
//   buffer   any memory
//   address  [1] ulong
// Geometry: global [1].

__kernel void buffer_address(
    __global const uchar *buffer, const ulong buffer_offset, __global ulong *address, const ulong address_offset)
{
    address[address_offset] = (ulong)(buffer + buffer_offset);
}
