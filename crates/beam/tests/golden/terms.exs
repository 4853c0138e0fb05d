# Records terms as this node encodes and prints them, for tests/golden.rs:
#
#   elixir terms.exs > terms.txt
#   ELIXIR_ERL_OPTIONS="+pc unicode" elixir terms.exs > terms.unicode.txt
#
# One line each: the external term in base64 (UTF-8 atoms, as nodes send it), io_lib:format("~tp"), inspect/1 and
# inspect(pretty: true), separated by tabs; "-" where nothing is recorded. The second file holds only what Erlang
# prints otherwise there.

defmodule Random do
  import Bitwise

  def below(n), do: :rand.uniform(n) - 1
  def one(list), do: Enum.at(list, below(length(list)))
  def many(n, make), do: for(_ <- 1..n//1, do: make.())

  @names ~w(ok error nil true undefined pid name state value timeout registered_name current_function
    message_queue_len dictionary links monitors infinity normal shutdown temporary permanent worker supervisor
    Elixir.Shop Elixir.Shop.Cart Elixir.Enum gen_server handle_call init_it proc_lib application_controller
    a b c x_1 node@host)a ++ [:"with space", :"", :Upper, :"it's", :"a\"b", :"tab\t", :end, :+, :"é", :"kebab-case"]
  def atom, do: one(@names)

  # Those of a script close over all that the script holds.
  def closures(pid), do: [fn -> 1 end, fn x, y -> {x, y, pid} end]

  def text, do: one(["", "a", "shop", "application/json; charset=utf-8", "it's \"quoted\"", "line\nline", "tab\t\e[0m",
    "\#{x} \\ ", "été", "日本語", "a much longer text that alone takes more than half of a line of eighty columns", "\d\a"])

  def integer, do: one([below(10), below(300), -below(1000), below(1_000_000), below(10_000_000_000_000), 1 <<< (60 + below(80))])
  def float, do: one([0.0, 1.5, -2.25, 100.0, 1.0e16, 123456789.125, 1.0e-7, 0.1, 1.0e22, 3.0e100, 1 / 3, 0.001, 12345.0e10])

  def leaf do
    case below(14) do
      n when n < 3 -> atom()
      n when n < 6 -> integer()
      6 -> float()
      7 -> text()
      8 -> String.to_charlist(text())
      9 -> :binary.list_to_bin(many(below(30), fn -> below(256) end))
      10 -> <<below(256), below(32)::5>>
      11 -> one([[], {}, %{}, ""])
      12 -> one([self(), :erlang.list_to_pid('<0.84.0>'), :erlang.list_to_pid('<0.1234.5>'), &String.length/1, &:lists.map/2, &Kernel.+/2])
      13 -> many(1 + below(5), fn -> 32 + below(95) end)
    end
  end

  def term(0), do: leaf()

  def term(depth) do
    smaller = fn -> term(below(depth)) end
    case below(12) do
      n when n < 2 -> leaf()
      n when n < 4 -> many(below(6), smaller)
      4 -> many(below(20), fn -> leaf() end)
      5 -> many(1 + below(3), smaller) ++ one([:tail, 1, "tail", {:a, :b}])
      n when n < 8 -> List.to_tuple([atom() | many(below(5), smaller)])
      8 -> List.to_tuple(many(below(5), smaller))
      9 -> Map.new(many(below(6), fn -> {atom(), smaller.()} end))
      10 -> Map.new(many(below(5), fn -> {smaller.(), smaller.()} end))
      11 -> many(below(6), fn -> {atom(), smaller.()} end)
    end
  end
end

:rand.seed(:exsss, {5, 29, 83})
import Bitwise

numbers =
  for(n <- [0, 1, -1, 255, 256, -255, 1 <<< 27, (1 <<< 31) - 1, 1 <<< 31, -(1 <<< 31), -(1 <<< 31) - 1, 1 <<< 59, -(1 <<< 59),
        (1 <<< 63) - 1, 1 <<< 63, -(1 <<< 63), -(1 <<< 63) - 1, 1 <<< 64, 1 <<< 2039, 1 <<< 2040, -(1 <<< 4000)], do: n) ++
  [0.0, 1.0, -1.5, 0.1, 1.0e15, 1.0e16, 9007199254740991.0, 9007199254740992.0, 9007199254740994.0, 123456789012345680.0, 1.0e21, 1.0e22, 1.0e23,
   5.0e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 0.001, 0.0001, 0.00012, 1.0e-5, 1.2e-5, 123.456, 1.0e5, 1.5e10, 1.0e10, 100000.0, 123400000.0, 1.0e3, 1.0e4, -1.0e-10, 3.141592653589793]

atoms =
  [:ok, :"", :"ok ok", :Ok, :_ok, :ok?, :ok!, :"ok??", :"o@k", :"1a", nil, true, false, :"Elixir", Foo, Foo.Bar, :"Elixir.foo", :"Elixir.Foo.bar",
   :"Elixir.Elixir", :"Elixir.Elixir.Foo", :"Elixir.", :"Foo.Bar", :Foo?, :"é", :"École", :"été?", :"日本", :"÷", :"ÿ", :"ß1", :"aé", :"a÷", :"a×b", :"with'quote", :"with\"quote",
   :"new\nline", :"back\\slash", :"\0\x01\x7f", :"a\u0080b", :"a b@c", :"kebab-case", :"a.b", :%, :%{}, :{}, :<<>>, :..., :.., :., :"..//", :->, :"::", :"^^^", :"~~~", :"<|>", :+, :-, :!, :&, :@, :when, :in,
   :not, :and, :or, :"=>", :<-, :|, :||, :&&, :==, :=~, :===, :<>, :++, :**, :|>, :"not in", :"//", :"\\\\"] ++
  ~w(after begin case try cond catch andalso orelse end fun if let of receive bnot div rem band bor bxor bsl bsr xor do)a ++
  [String.to_atom(String.duplicate("a", 255)), String.to_atom(String.duplicate("é", 255)), String.to_atom(String.duplicate("日", 255))]

texts =
  ["", "a", "abc", "é", "日本語", "a\0b", "quote\"", "it's", "\#{a}", "# {", "\\", "\n\r\t\v\b\f\e\d\a", "\u00A0\u00AD", "\u0080", "\u200b", "\uFEFF", "\u{1F600}", "\u{10FFFF}", "\uFFFE", <<0xE9>>, <<0xE9, 0x20>>, <<"ab", 0xFF>>, <<"日", 0xFF>>, <<"é", 0xFF>>, <<0xC4, 0x80, 0xFF>>, <<0xED, 0xA0, 0x80>>,
   String.duplicate("long ", 20), String.duplicate("longer ", 100), String.duplicate("x", 5000), <<1::1>>, <<255, 7::3>>, <<0::7>>, <<1, 2, 3>>,
   :binary.copy(<<200, 1, 33>>, 100), :binary.copy(<<250>>, 40), :binary.copy(<<1>>, 49), :binary.copy(<<1>>, 50), :binary.copy(<<1>>, 51), :binary.copy(<<1>>, 60) <> "x", <<(:binary.copy(<<200>>, 60))::binary, 5::3>>] ++
  ['', 'a', 'abc', 'it\'s', 'quote"', 'é', '日本', [0], [7], [127], [10, 13, 9, 11, 8, 12, 27], [0x80], [0xA0], [0xD7FF], [0xD800], [0x10FFFF], [0x110000], [-1], [97, :b], [97 | 98], [97 | :b], 'x' ++ [1.0],
   String.to_charlist(String.duplicate("long ", 20)), String.to_charlist(String.duplicate("x", 5000)), List.duplicate(300, 30)]

pid = :erlang.list_to_pid('<0.84.0>')
external = fn bytes -> {:encoded, :erlang.binary_to_term(IO.iodata_to_binary([131 | bytes]))} end
name = [119, 11, "shop@10.0.0"]
[fun1, fun2] = Random.closures(pid)
{:ok, identity} = :erl_scan.string('fun(X) -> X end.') |> elem(1) |> :erl_parse.parse_exprs()
{:value, fun3, _} = :erl_eval.exprs(identity, [])

identities =
  [pid, :erlang.list_to_pid('<0.4294.7>'), [pid], {pid, pid}, &String.length/1, &:erlang.+/2, &Kernel.is_nil/1, &Kernel."my-fun"/1, fun3, {:fun, fun3},
   :erlang.list_to_port('#Port<0.5>'), :erlang.list_to_port('#Port<0.268435455>'), :erlang.list_to_ref('#Ref<0.1.2.3>'), [:erlang.list_to_ref('#Ref<0.4026531839.2.3>')]] ++
  [external.([88, name, <<1::32, 2::32, 3::32>>]), external.([88, name, <<0xFFFFFFFF::32, 0xFFFFFFFF::32, 0xFFFFFFFF::32>>]), external.([89, name, <<7::32, 9::32>>]),
   external.([120, name, <<(1 <<< 40)::64, 9::32>>]), external.([90, 0, 1, name, <<9::32, 1::32>>]), external.([90, 0, 3, name, <<9::32, 1::32, 2::32, 3::32>>]),
   external.([90, 0, 5, name, <<9::32, 1::32, 2::32, 3::32, 4::32, 5::32>>]), {:encoded, fun1}, {:encoded, [fun2, {fun3}]}]

numbered = fn range -> for(n <- range, do: n) end
row = fn n -> {n, [registered_name: :"name_#{n}", message_queue_len: n * 7, memory: n * 100_000, reductions: n * n * 1000, current_function: {:gen_server, :loop, 7}, initial_call: {:proc_lib, :init_p, 5}]} end

containers =
  [[], {}, %{}, [[]], [{}], {{}}, %{[] => {}}, {:a}, {1}, {:a, 1}, [a: 1], [a: 1, b: 2], [{:a, 1}, {:b, 2, 3}], [{Foo, 1}], [{:"é", 1}, {:"a b", 2}, {:nil, 3}, {:+, 4}, {:Upper, 5}],
   %{a: 1}, %{1 => 2, 1.0 => 3}, %{:a => 1, "b" => 2}, %{Foo => 1}, %{{1, 2} => [3]}, %{__struct__: Not.Loaded, a: 1}, [1 | 2], [1, 2 | :x], [1 | {2}], [[1 | 2] | [3 | 4]],
   numbered.(1..20), numbered.(1..28), numbered.(1..29), numbered.(1..30), numbered.(1..49), numbered.(1..50), numbered.(1..51), numbered.(1..200), numbered.(1000..1030), numbered.(1..30) ++ :tail, numbered.(1..60) ++ :tail,
   numbered.(256..272) ++ "tail of some length that matters", List.to_tuple(numbered.(1..40)), List.to_tuple([:tag | numbered.(1..60)]), for(n <- 1..40, do: {:item, n}), for(n <- 1..40, do: [n]),
   for(n <- 1..10, do: row.(n)), Map.new(for(n <- 1..32, do: {n, n * n})), Map.new(for(n <- 1..32, do: {:"key_#{n}", "value #{n}"})), Map.new(for(n <- 1..200, do: {n, n})), Map.new(for(n <- 1..100, do: {"key #{n}", {:value, n}})), Map.new(for(n <- 1..10, do: row.(n))),
   Enum.reduce(1..60, :leaf, fn n, acc -> {n, acc} end), Enum.reduce(1..60, :leaf, fn _, acc -> [acc] end), Enum.reduce(1..60, :leaf, fn _, acc -> %{k: acc} end), Enum.reduce(1..60, :leaf, fn _, acc -> {:a_longer_tag, acc} end), Enum.reduce(1..25, :leaf, fn n, acc -> %{[n, n] => acc} end),
   {:application, :shop, [description: 'A shop', vsn: '1.0.0', modules: [:shop, Shop, Shop.Cart], registered: [], applications: [:kernel, :stdlib, :crypto, :logger], env: [port: 4000, hosts: ["a.test", "b.test"]]]},
   {:EXIT, {:badmatch, {:error, :enoent}}, [{:shop, :open, 2, [file: 'src/shop.erl', line: 42]}, {:gen_server, :try_handle_call, 4, [file: 'gen_server.erl', line: 661]}]},
   %{id: Shop.Worker, start: {Shop.Worker, :start_link, [[name: Shop.Worker, pool: 10]]}, restart: :permanent, shutdown: 5000, type: :worker, modules: [Shop.Worker]},
   {:a_very_long_tag_of_a_tuple_that_reaches_beyond_the_middle_of_the_line, [1, 2, 3], %{a: 1}, {:b, "text"}}, {:a_tag_of_thirty_six_characters_aaaaaa, numbered.(1..40)}, {:a_tag_of_thirty_seven_characters_aaaaaa, numbered.(1..40)},
   {:ab, numbered.(1..40)}, {:abc, numbered.(1..40)}, {:abcd, {:efgh, {:ijkl, numbered.(1..40)}}}, {:long_tag_1, {:long_tag_2, {:long_tag_3, {:long_tag_4, numbered.(1..30)}}}},
   %{"a key that is longer than most keys are and that does not fit with its value" => "a value that is long as well, so that it goes to a line of its own"},
   %{a: %{b: %{c: %{d: numbered.(1..30)}}}}, [%{a: 1, b: numbered.(1..40)}, :x], {%{a: numbered.(1..40)}, numbered.(1..3)}, [:binary.copy(<<200>>, 40), :x], {:tag, :binary.copy(<<200>>, 40), 1}, %{key: :binary.copy(<<200>>, 40)}, [1, 2 | :binary.copy(<<200>>, 40)]] ++
  for(n <- 60..84, do: [String.duplicate("a", n - 10), :z]) ++ for(n <- 60..84, do: {:tag, String.duplicate("a", n - 10), {}}) ++ for(n <- 70..80, do: [{:a, String.to_atom(String.duplicate("a", n - 10))}]) ++
  for(n <- 34..42, do: {String.to_atom(String.duplicate("t", n)), {:x, numbered.(1..20)}}) ++ for(n <- 70..82, do: %{String.to_atom(String.duplicate("k", n - 20)) => :value_of_it}) ++ for(n <- 0..4, do: [1, 2, List.to_tuple(List.duplicate(String.duplicate("m", 14 + n), 4))])

random = for(n <- 1..330, do: Random.term(rem(n, 5)))

base64 = fn term, options -> Base.encode64(:erlang.term_to_binary(term, options)) end
escape = fn text -> text |> String.replace("\\", "\\\\") |> String.replace("\n", "\\n") |> String.replace("\t", "\\t") |> String.replace("\r", "\\r") end
erlang = fn term -> escape.(IO.iodata_to_binary(:unicode.characters_to_binary(:io_lib.format('~tp', [term])))) end
:io.setopts(encoding: :unicode)

closure? = fn closure?, term ->
  case term do
    term when is_function(term) -> :erlang.fun_info(term, :type) == {:type, :local}
    [head | tail] -> closure?.(closure?, head) or closure?.(closure?, tail)
    term when is_tuple(term) -> closure?.(closure?, Tuple.to_list(term))
    _ -> false
  end
end

for term <- numbers ++ atoms ++ texts ++ identities ++ containers ++ random do
  {term, printed?} = case term do {:encoded, term} -> {term, false}; term -> {term, true} end
  columns = cond do
    not printed? -> ["-", "-", "-"]
    # The name of a closure's function is known to the node only.
    closure?.(closure?, term) -> [erlang.(term), "-", "-"]
    true -> [erlang.(term), escape.(inspect(term)), escape.(inspect(term, pretty: true))]
  end
  case :io.printable_range() do
    :latin1 -> IO.puts(Enum.join([base64.(term, minor_version: 2) | columns], "\t"))
    :unicode ->
      [text | _] = columns
      if String.match?(text, ~r/[^\x00-\xff]/u), do: IO.puts(Enum.join([base64.(term, minor_version: 2), text, "-", "-"], "\t"))
  end
end
