/* What rini decides, written down a second time: from docs/stopping.md and from the text at the head of
 * src/supervise/supervisor.rs, not from its code. stop.pml puts it between a kernel and its adversaries; steps.pml lists every step
 * that it can take, and the machine in Rust is made to take the same ones.
 *
 * Here are signals that stop (TERM, INT) and others (USR1, CONT), the delay, the grace period, what is done after the
 * child's end, and a pause. Job control, rewritten signals, and the signal of a parent's death are not here.
 *
 * Time is not counted. A period begins, and at some moment it is over: `due`. It may be that rini sees this long after that moment:
 * `late`. Nothing else is known of it.
 *
 * Each `#ifdef` is a mistake on purpose: tests/proof/model/mod.rs makes them one by one, and each has to be noticed.
 */

/* Signals are their numbers. */
#define INT 2
#define USR1 10
#define TERM 15
#define CHLD 17
#define CONT 18
#define begins_stop(signal) (signal == TERM || signal == INT)

/* How the child ended; `UNKNOWN` is nobody's status. */
mtype = { UNKNOWN, ZERO, SEVEN, KILLED }
mtype = { SIGNAL, TICK, STOPPED, CONTINUED, ENDED, NO_CHILDREN, HELPLESS }
mtype = { FORWARD, FORWARD_TO_REST, DISCARD, HOLD, ASK_REST, ASK_GROUP, CONTINUE, KILL, KILL_REST, GIVE_UP, FINISH }
mtype = { EXIT, GROUP, TERMINATE, WAIT }
mtype = { CHILD, REST, END }
mtype = { NONE, HELD, ASKED, ESCALATED }
mtype = { NEVER, DELAY, GRACE, TEN_SECONDS, SECOND }

/* The policy. */
mtype after;
bool has_delay, has_grace, pause;

/* The state. */
mtype phase;
mtype stop;
byte by; /* The stop signal that is held, or that asked. */
mtype period = NEVER; /* What runs. */
bool child_stopped; /* As far as rini has been told. */
mtype status; /* Of the child that is gone. */
bool due; /* The period is over, */
bool late; /* and has been so for long. */
bool put_off; /* Its end was put off, which it is once. */

/* The answer: what to do, in order, and with which signal; and whether a period has begun, or begins again. */
#define MOST 4
mtype action[MOST];
byte with[MOST];
byte actions;
bool begun, again;

inline start_supervisor() {
    stop = NONE;
    period = NEVER;
    status = (pause -> ZERO : UNKNOWN);
    phase = (pause -> REST : CHILD)
}

inline act(what, signal) {
    action[actions] = what;
    with[actions] = signal;
    actions++
}

inline begin(which) {
    period = which;
    due = false;
    late = false;
    put_off = false;
    begun = true
}

inline no_period() {
    period = NEVER;
    due = false;
    late = false;
    put_off = false
}

/* To whom it is now: the child, or all that it has left. */
inline forward(signal) {
    if
#ifdef SIGNAL_AFTER_REAP
    :: true -> act(FORWARD, signal)
#else
    :: phase == CHILD -> act(FORWARD, signal)
    :: phase == REST -> act(FORWARD_TO_REST, signal)
#endif
    fi
}

inline finish() {
    phase = END;
    no_period();
    act(FINISH, 0)
}

/* SIGTERM goes to all leftover processes. In a stop that has a deadline they share it. Otherwise a grace period begins: 10 s
 * if none is set. */
inline ask_rest() {
    if
#ifndef SECOND_PERIOD
    :: stop == ASKED && period != NEVER
#endif
    :: else ->
        stop = ASKED;
        by = TERM;
        if
        :: has_grace -> begin(GRACE)
#ifdef REST_HAS_FOR_EVER
        :: else -> no_period()
#else
        :: else -> begin(TEN_SECONDS)
#endif
        fi
    fi;
    act(ASK_REST, 0)
}

/* "If the child is stopped, SIGCONT follows so that it can act." */
inline forward_stop(signal) {
    forward(signal);
#ifndef NO_CONT
    if
    :: phase == CHILD && child_stopped -> act(CONTINUE, 0)
    :: else
    fi
#endif
}

/* The signal is passed on, and the grace period counts from here. */
inline pass_on(signal) {
    stop = ASKED;
    by = signal;
    no_period();
    if
    :: has_grace -> begin(GRACE)
    :: else
    fi;
    forward_stop(signal)
}

/* No delay, or no longer. */
inline let_through(signal) {
    if
    :: phase == CHILD || after == WAIT -> pass_on(signal)
    :: phase == REST && after == TERMINATE -> ask_rest()
    /* A pause, which leaves nobody to be asked. */
    :: phase == REST && (after == EXIT || after == GROUP) -> finish()
    fi
}

inline stop_signal(signal) {
    if
    :: stop == NONE && has_delay ->
        stop = HELD;
        by = signal;
        begin(DELAY);
        act(HOLD, signal)
    :: stop == NONE && !has_delay -> let_through(signal)
    /* "A second one ends the delay." Another kind of signal is passed on behind the first; and the rest, if it is asked
     * by rini's own SIGTERM, is asked by that alone. */
    :: stop == HELD ->
#ifndef FIRST_IS_LOST
        if
        :: by != signal && (phase == CHILD || after == WAIT) -> forward(by)
        :: else
        fi;
#endif
        let_through(signal)
    /* "Later ones are forwarded and change nothing." "Further stop signals change nothing", where rini has asked. Who is
     * being killed hears no more. */
    :: stop == ASKED || stop == ESCALATED ->
        if
#ifdef DEADLINE_MOVES
        :: phase == CHILD -> pass_on(signal)
#else
        :: phase == CHILD -> forward_stop(signal)
#endif
        :: phase == REST && after == WAIT && stop == ASKED -> forward(signal)
        :: else -> act(DISCARD, signal)
        fi
    fi
}

inline child_is_gone(how) {
    status = how;
    child_stopped = false;
    if
    :: after == EXIT -> finish()
    :: after == GROUP ->
        act(ASK_GROUP, 0);
        finish()
    /* The deadline has passed: whatever the child leaves is killed at once. */
    :: (after == TERMINATE || after == WAIT) && stop == ESCALATED ->
        phase = REST;
#ifndef REST_SURVIVES
        act(KILL_REST, 0)
#endif
    :: after == TERMINATE && stop != ESCALATED ->
        phase = REST;
        ask_rest()
    /* Leftover processes get the stop signal that the child had, and share its deadline. A signal that is still held goes to
     * them when its time has come. */
    :: after == WAIT && stop != ESCALATED ->
        phase = REST;
        if
#ifndef REST_NOT_ASKED
        :: stop == ASKED ->
#ifdef DEADLINE_STARTS_AGAIN
            pass_on(by)
#else
            forward(by)
#endif
#endif
        :: else
        fi
    fi
}

inline no_answer() {
    actions = 0;
    action[0] = 0;
    action[1] = 0;
    action[2] = 0;
    action[3] = 0;
    with[0] = 0;
    with[1] = 0;
    with[2] = 0;
    with[3] = 0;
    begun = false;
    again = false
}

/* Takes an event, with the signal or the status that it tells of, and leaves the answer in `action`. */
inline decide(event, signal, how) {
    no_answer();
    if
    :: phase == CHILD ->
        if
        :: event == SIGNAL && begins_stop(signal) -> stop_signal(signal)
        :: event == SIGNAL && !begins_stop(signal) && signal != CHLD -> forward(signal)
        /* "A stop that is seen after the signal is undone": it may have been sent before it. */
        :: event == STOPPED ->
            child_stopped = true;
            if
#ifndef LATE_STOP_STAYS
            :: stop == ASKED || stop == ESCALATED -> act(CONTINUE, 0)
#endif
            :: else
            fi
        :: event == CONTINUED -> child_stopped = false
        :: event == ENDED -> child_is_gone(how)
        /* Nobody knows how the child ended. */
        :: event == NO_CHILDREN || event == HELPLESS -> finish()
        :: else
        fi
    :: phase == REST ->
        if
        :: event == SIGNAL && begins_stop(signal) -> stop_signal(signal)
        /* A pause lasts until a stop has been let through. */
        :: event == NO_CHILDREN && !(pause && (stop == NONE || stop == HELD)) -> finish()
        :: event == HELPLESS ->
            if
            :: pause && (stop == NONE || stop == HELD) -> status = UNKNOWN
            :: else
            fi;
            finish()
        /* Other signals were for the child. */
        :: event == SIGNAL && !begins_stop(signal) && signal != CHLD -> act(DISCARD, signal)
        :: else
        fi
    :: phase == END
    fi;
    if
#ifdef KILL_EARLY
    :: phase != END && period != NEVER && !begun ->
#else
#ifdef TIME_AT_TICKS_ONLY
    :: phase != END && due && event == TICK ->
#else
    :: phase != END && due ->
#endif
#endif
        if
        :: stop == HELD -> let_through(by)
        /* "A deadline that is seen late is put off once." */
#ifdef PUT_OFF_AGAIN
        :: stop == ASKED && late ->
#else
        :: stop == ASKED && late && !put_off ->
#endif
            due = false;
            late = false;
            put_off = true;
            again = true
#ifdef PUT_OFF_AGAIN
        :: stop == ASKED && !late ->
#else
        :: stop == ASKED && !(late && !put_off) ->
#endif
            stop = ESCALATED;
            by = 0;
#ifdef WAITS_FOR_EVER
            no_period();
#else
            begin(SECOND);
#endif
            if
#ifdef NEVER_KILLED
            :: true -> no_period()
#endif
            :: phase == CHILD -> act(KILL, 0)
            :: phase == REST -> act(KILL_REST, 0)
            fi
        /* "rini waits at most 1 s for the end of what it has killed." */
        :: stop == ESCALATED ->
            if
            :: phase == CHILD -> status = KILLED
            :: else
            fi;
            act(GIVE_UP, 0);
            finish()
        fi
    :: else
    fi
}
