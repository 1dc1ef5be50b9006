internal import ChatPage
internal import Hummingbird

/// The chat page, which is embedded in the binary.
enum ChatPageResponse {
    static func make() -> Response {
        let bytes = UnsafeRawBufferPointer(start: chat_page_bytes(), count: chat_page_byte_count())
        return Response(
            status: .ok, headers: [.contentType: "text/html; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
