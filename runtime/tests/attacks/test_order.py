"""A question that cannot wait comes late, and nothing that depends on it or changes something comes before it."""

import unittest

from order import Step, order


def step(*needs, asked=False, changes=False):
    return Step(asked=asked, changes=changes, needs=frozenset(needs))


class Order(unittest.TestCase):
    def test_a_plan_without_such_a_question_stays_as_it_is(self):
        self.assertEqual(order([step(), step(0, changes=True), step(1), step(changes=True)]), [0, 1, 2, 3])

    def test_what_only_reads_goes_before_a_question_that_it_does_not_depend_on(self):
        plan = [step(), step(0, asked=True), step(1), step(), step(3), step(4, changes=True)]
        self.assertEqual(order(plan), [0, 3, 4, 1, 2, 5])

    def test_what_changes_something_never_does(self):
        self.assertEqual(order([step(), step(0, asked=True), step(changes=True), step()]), [0, 3, 1, 2])

    def test_questions_that_can_be_put_are_put_together(self):
        plan = [step(), step(0, asked=True), step(1, changes=True), step(0, asked=True)]
        self.assertEqual(order(plan), [0, 1, 3, 2])

    def test_a_question_that_depends_on_another_comes_after_it(self):
        self.assertEqual(order([step(), step(0, asked=True), step(1, asked=True), step(2)]), [0, 1, 2, 3])

    def test_each_step_is_taken_once_and_after_what_it_needs(self):
        """Every plan of five steps of three kinds, each needing the one before it or nothing."""
        kinds = [{}, {"asked": True}, {"changes": True}]
        for number in range(6**5):
            marks = [number // 6**place % 6 for place in range(5)]
            plan = [step(*([place - 1] if place and mark > 2 else []), **kinds[mark % 3]) for place, mark in enumerate(marks)]
            taken = order(plan)
            self.assertEqual(sorted(taken), list(range(5)))
            when = {place: at for at, place in enumerate(taken)}
            for place, one in enumerate(plan):
                self.assertTrue(all(when[need] < when[place] for need in one.needs), (plan, taken))
            changes = [place for place in taken if plan[place].changes]
            self.assertEqual(changes, sorted(changes), (plan, taken))


if __name__ == "__main__":
    unittest.main()
