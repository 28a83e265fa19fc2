//! Questions about photos.

use super::*;

/// What the worker finds out of a question.
fn found(seat: &mut Seat, question: Question) -> Result<AnswerContent, String> {
    seat.send(WorkerCommand::Photo(question.clone()));
    seat.wait_for(|report| match report {
        WorkerEvent::Photo(answer) if answer.question == question => Some(answer.found.clone()),
        _ => None,
    })
}

#[test]
fn a_photo_is_looked_at_between_two_steps_of_a_run() {
    let sandbox = Sandbox::with_models();
    let mut seat = worker(&sandbox);
    let opened = seat.open();
    let path = PathBuf::from(sandbox.path("photo.png"));
    let photo = RgbImage::from_fn(1500, 1000, |x, y| {
        Rgb([(x / 6) as u8, (y / 4) as u8, ((x * y) / 5000 % 256) as u8])
    });
    photo.save(&path).unwrap();
    let question = |about| Question {
        photo: path.clone(),
        model: opened.model.clone(),
        about,
    };
    let batch = jobs(specs(&opened, &["flamingo"], 400));
    seat.send(WorkerCommand::Run(batch.clone()));
    seat.stepped(2);

    let Ok(AnswerContent::Photo(seen)) = found(&mut seat, question(About::Photo)) else {
        panic!("no photo");
    };
    assert_eq!(
        (seen.size, seen.picture.dimensions()),
        ((1500, 1000), (1024, 682))
    );
    assert_eq!(seen.seen, Some((875, 875)));
    assert!(seen.has_probabilities && seen.top.len() == 5);
    assert!(seen.top.is_sorted_by(|a, b| a.1 >= b.1));

    let layer = "blocks.10/expand/relu6".to_string();
    let about = About::Channels {
        layer,
        rank: Rank::Mean,
        count: 4,
    };
    let Ok(AnswerContent::Channels(channels)) = found(&mut seat, question(about)) else {
        panic!("no channels");
    };
    assert_eq!(channels.len(), 4);
    assert!(channels.is_sorted_by(|a, b| a.activation.mean >= b.activation.mean));
    let maps = channels.iter().map(|channel| channel.map.as_ref().unwrap());
    assert!(maps.clone().all(|map| map.dimensions() == (224, 224)));
    assert_ne!(channels[0].map, channels[1].map);

    let class = seen.top[0].0;
    let Ok(AnswerContent::Class(map)) = found(
        &mut seat,
        question(About::Class {
            class,
            at: MapAt::default(),
        }),
    ) else {
        panic!("no map");
    };
    assert_eq!(map.dimensions(), (1024, 682));
    assert_ne!(map.as_raw(), seen.picture.as_raw());

    let missing = Question {
        photo: PathBuf::from(sandbox.path("no.png")),
        ..question(About::Photo)
    };
    let why = found(&mut seat, missing).unwrap_err();
    assert!(why.contains("no.png") && !why.contains('\n'), "{why}");
    let about = About::Channels {
        layer: "nowhere".into(),
        rank: Rank::Mean,
        count: 4,
    };
    assert!(
        found(&mut seat, question(about))
            .unwrap_err()
            .contains("nowhere")
    );
    let other = Question {
        model: "another".into(),
        ..question(About::Photo)
    };
    assert!(found(&mut seat, other).unwrap_err().contains("not open"));

    seat.send(WorkerCommand::Cancel(batch[0].id));
    seat.cancelled(batch[0].id);
}

#[test]
fn a_photo_that_is_left_is_not_answered_and_the_next_one_is() {
    let sandbox = Sandbox::with_models();
    let mut seat = worker(&sandbox);
    let opened = seat.open();
    let [large, small] = [("large.png", 5000), ("small.png", 50)].map(|(name, side)| {
        let path = PathBuf::from(sandbox.path(name));
        RgbImage::new(side, side).save(&path).unwrap();
        path
    });
    let question = |photo: &std::path::Path| Question {
        photo: photo.into(),
        model: opened.model.clone(),
        about: About::Listed,
    };
    seat.send(WorkerCommand::Photo(question(&large)));
    seat.send(WorkerCommand::LeavePhoto(large));
    seat.send(WorkerCommand::Photo(question(&small)));
    let answered = seat.wait_for(|report| match report {
        WorkerEvent::Photo(answer) => Some((answer.question.photo.clone(), answer.found.is_ok())),
        _ => None,
    });
    assert_eq!(answered, (small, true));
}
