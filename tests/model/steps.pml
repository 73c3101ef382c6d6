/* Every step of the supervisor: each event, in each state that any history leads to, before and after a period is over. For
 * a verifier that prints (-DPRINTF): a line a step, which src/supervisor/tests/model.rs reads.
 */
#include "supervisor.pml"

mtype name;

inline print_state() {
    printf(" "); printm(phase);
    printf(","); printm(stop);
    printf(",%d,", by); printm(period);
    printf(",%d,", child_stopped); printm(status)
}

inline print_action(n) {
    if
    :: n < actions -> printf(" "); printm(action[n]); printf(",%d", with[n])
    :: else
    fi
}

inline step(event, signal, how, is_due) {
    d_step {
        printf("STEP "); printm(after);
        printf(",%d,%d,%d", has_delay, has_grace, pause);
        print_state();
        /* Only a variable is printed by its name. */
        name = event;
        printf(" "); printm(name);
        name = how;
        printf(",%d,", signal); printm(name);
        name = 0;
        printf(",%d", is_due);
        due = is_due;
        decide(event, signal, how);
        due = false;
        print_state();
        printf(" %d", begun);
        print_action(0);
        print_action(1);
        print_action(2);
        print_action(3);
        printf("\n");
        no_answer()
    }
}

active proctype Anything() {
    bool late;
    if
    :: after = EXIT
    :: after = GROUP
    :: after = TERMINATE
    :: after = WAIT
    fi;
    if
    :: has_delay = true
    :: has_delay = false
    fi;
    if
    :: has_grace = true
    :: has_grace = false
    fi;
    if
    :: pause = true
    :: pause = false
    fi;
    start_supervisor();
    do
    :: atomic {
        if
        :: late = false
        :: period != NEVER -> late = true
        fi;
        if
        :: step(SIGNAL, INT, UNKNOWN, late)
        :: step(SIGNAL, USR1, UNKNOWN, late)
        :: step(SIGNAL, TERM, UNKNOWN, late)
        :: step(SIGNAL, CHLD, UNKNOWN, late)
        :: step(SIGNAL, CONT, UNKNOWN, late)
        :: step(TICK, 0, UNKNOWN, late)
        :: step(STOPPED, 0, UNKNOWN, late)
        :: step(CONTINUED, 0, UNKNOWN, late)
        :: step(ENDED, 0, SEVEN, late)
        :: step(ENDED, 0, KILLED, late)
        :: step(NO_CHILDREN, 0, UNKNOWN, late)
        :: step(HELPLESS, 0, UNKNOWN, late)
        fi;
        late = false
    }
    od
}
