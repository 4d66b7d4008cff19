%% Read by file:eval/1 when the node has started: a process that answers each
%% line with a line of JSON. It speaks of this node alone and asks no other, so
%% that it answers whatever became of the others; only "held" asks the queues'
%% leaders, and only where this node is the leader.
spawn(fun() ->
  %% A quorum queue: what its member here knows. A classic one: where it lives.
  Queue = fun(Q) ->
    {resource, _, queue, Name} = amqqueue:get_name(Q),
    case amqqueue:get_pid(Q) of
      {Group, _} ->
        #{term := Term, last_applied := Applied, commit_index := Committed} = Metrics =
          maps:merge(#{term => 0, last_applied => 0, commit_index => 0}, ra:key_metrics({Group, node()})),
        Leader = case ra_leaderboard:lookup_leader(Group) of {_, At} -> At; _ -> '' end,
        #{name => Name, leader => Leader, state => maps:get(state, Metrics), term => Term,
          applied => Applied, committed => Committed};
      Pid ->
        #{name => Name, leader => node(Pid), state => classic}
    end
  end,
  %% The queues, from the tables themselves (Khepri's or Mnesia's): asking RabbitMQ
  %% for them is a transaction, and waits for nodes that are silent.
  Each = fun(About) ->
    Tables = [try ets:tab2list(T) catch error:badarg -> [] end || T <- [rabbit_khepri_queue, rabbit_queue]],
    case [T || [_ | _] = T <- Tables] of
      [Queues | _] -> [About(Q) || Q <- Queues];
      [] -> []
    end
  end,
  %% Messages that the queues led from here have given out and not got back.
  Held = fun(Q) ->
    case amqqueue:get_pid(Q) of
      {Group, _} ->
        case ra_leaderboard:lookup_leader(Group) of
          {_, At} when At =:= node() ->
            {ok, {_, N}, _} = ra:local_query({Group, node()}, fun rabbit_fifo:query_messages_checked_out/1),
            N;
          _ -> 0
        end;
      _ -> 0
    end
  end,
  %% The nodes that this one shares its database with: those it talks to, less
  %% those whose Mnesia went its own way during a partition.
  Peers = fun() ->
    case whereis(mnesia_monitor) of
      undefined -> nodes();
      _ -> [N || N <- nodes(), lists:member(N, mnesia:system_info(running_db_nodes))]
    end
  end,
  Answer = fun
    (<<"held\n">>) -> #{held => lists:sum(Each(Held))};
    (_) -> #{node => node(), serves => rabbit:is_running(), peers => Peers(), queues => Each(Queue)}
  end,
  Serve = fun Serve(Socket) ->
    case gen_tcp:recv(Socket, 0) of
      {ok, Line} ->
        case gen_tcp:send(Socket, [rabbit_json:encode(Answer(Line)), $\n]) of
          ok -> Serve(Socket);
          {error, _} -> gen_tcp:close(Socket)
        end;
      {error, _} -> gen_tcp:close(Socket)
    end
  end,
  Port = list_to_integer(os:getenv("HADRILL_WITNESS_PORT")),
  {ok, Listener} = gen_tcp:listen(Port, [binary, {packet, line}, {active, false}, {reuseaddr, true}, {nodelay, true}]),
  Accept = fun Accept() ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Server = spawn(fun() -> receive go -> Serve(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Server),
    Server ! go,
    Accept()
  end,
  Accept()
end).
