/// How conversations are written for a model that comes without a chat template.
///
/// A model that was never trained on conversations only continues texts; it does so best where the conversation looks like
/// what it has read.
public enum FallbackTemplate: Sendable, Equatable {
    /// ChatML, as llama.cpp writes it for such models. Tools are described as Hermes describes them.
    case chatML
    /// A play with speakers, which is all that the bundled model has read.
    case play
    /// The messages, a line each: what the encoder of an encoder-decoder reads.
    case lines

    /// The text of the template.
    public var source: String {
        switch self {
        case .chatML: FallbackTemplate.chatMLSource
        case .play: FallbackTemplate.playSource
        case .lines: FallbackTemplate.linesSource
        }
    }

    /// The strings that end an answer, since such models have no token that does.
    public var stopStrings: [String] {
        switch self {
        case .chatML: ["<|im_end|>", "<|im_start|>"]
        case .play: ["\n\n"]
        case .lines: []
        }
    }

    var summary: String {
        switch self {
        case .chatML: "ChatML"
        case .play: "a play"
        case .lines: "one line a message"
        }
    }

    private static let chatMLSource = #"""
        {%- set calls = namespace(known=false) -%}
        {%- if tools -%}
        {%- set calls.known = true -%}
        <|im_start|>system
        {{ messages[0].content + '\n\n' if messages[0].role == 'system' else '' -}}
        You may call these functions:
        <tools>
        {% for tool in tools %}{{ (tool.function or tool) | tojson }}
        {% endfor -%}
        </tools>
        For each call write a JSON object within <tool_call></tool_call>:
        <tool_call>
        {"name": <function's name>, "arguments": <arguments as an object>}
        </tool_call><|im_end|>
        {% endif -%}
        {%- for message in messages -%}
        {%- if not (loop.first and calls.known and message.role == 'system') -%}
        <|im_start|>{{ message.role }}
        {{ message.content or '' -}}
        {%- for call in message.tool_calls or [] -%}
        {{ '\n' if message.content or not loop.first -}}
        <tool_call>
        {"name": {{ call.function.name | tojson }}, "arguments": {{ call.function.arguments | tojson }}}
        </tool_call>
        {%- endfor -%}
        <|im_end|>
        {% endif -%}
        {%- endfor -%}
        {%- if add_generation_prompt -%}
        <|im_start|>assistant
        {% endif -%}
        """#

    private static let linesSource = #"""
        {%- for message in messages -%}
        {{ message.content or '' }}{{ '\n' if not loop.last }}
        {%- endfor -%}
        """#

    private static let playSource = #"""
        {%- for message in messages -%}
        {%- if message.role == 'system' -%}
        {{ message.content or '' }}
        {%- else -%}
        {{ 'BARD' if message.role == 'assistant' else 'CITIZEN' }}:
        {{ message.content or '' }}
        {%- endif -%}
        {{ '\n\n' if not loop.last or add_generation_prompt or message.role != 'assistant' -}}
        {%- endfor -%}
        {%- if add_generation_prompt -%}
        BARD:
        {% endif -%}
        """#
}
